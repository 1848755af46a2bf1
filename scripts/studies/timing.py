"""Loss against seconds of one variant."""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from scripts.studies.cases import Case
from scripts.studies.representations import PARAMETERS
from scripts.studies.solvers import Carried, Counted, Earlier
from scripts.studies.variants import Variant
from styleinv.lbfgs import LBFGS
from styleinv.minimize import Solver
from styleinv.synthesize import Frame, Stage, synthesize

_EXPONENTS = {"pixels": 0, "waves": 1}  # see `Carried`
_WARM = 3  # steps of each stage before the clock runs: the first compiles, the others are timed
_MOST = 1_000_000  # steps of the last stage, which the clock ends


def row(case: Case, variant: Variant, limit: float) -> dict[str, Any]:
    """The points at the finest resolution, of a run of so many seconds.

    seconds: since the beginning of the optimization, coarse stages included, compilation not.
    loss: what the solver saw last, see `Case`: after the step; of Adam before it, one step late.
    evaluations: of value and gradient, at the finest resolution, so far.
    """
    fine = _fitting(case, variant, limit)
    found: dict[str, list] = {"seconds": [], "loss": [], "evaluations": []}
    count, begun = 0, time.perf_counter()
    for frame in frames(case, variant, case.stages(variant.coarse, _MOST), fine):
        seconds = time.perf_counter() - begun
        if seconds > limit:
            break
        if frame.resolution == case.resolution:
            count += round(frame.snapshot.values["evaluations"])
            found["seconds"].append(round(seconds, 3))
            found["loss"].append(case.loss(variant, frame.snapshot))
            found["evaluations"].append(count)
    return {"variant": variant.name} | found


def frames(case: Case, variant: Variant, stages: Sequence[Stage], fine: int) -> Iterator[Frame]:
    """Every step of every stage.

    Args:
        fine: steps of the last stage that a solver is told of: a decay has to know its end.
    """
    last: Frame | None = None

    def solver_for(steps: int) -> Solver:
        solver = variant.solver(min(steps, fine))
        if variant.carried:
            assert isinstance(solver, LBFGS)
            solver = Carried(solver, _EXPONENTS[variant.parameters], _end(last))
        return Counted(solver)

    for last in synthesize(
        case.problem_at(variant.weights),
        case.start,
        stages,
        PARAMETERS[variant.parameters],
        solver_for,
        keep_details=case.keep_details,
    ):
        yield last


def _end(frame: Frame | None) -> Earlier | None:
    return frame and Earlier(frame.snapshot.state, frame.snapshot.params.shape)


def _fitting(case: Case, variant: Variant, limit: float) -> int:
    """Steps of the last stage that fit into the limit; and all is compiled that will be run."""
    stages = case.stages([_WARM] * len(variant.coarse), _WARM)
    times: dict[int, list[float]] = {stage.resolution: [] for stage in stages}
    for frame in frames(case, variant, stages, _WARM):
        times[frame.resolution].append(time.perf_counter())
    paces = {size: min(b - a for a, b in pairwise(each)) for size, each in times.items()}
    coarse = case.stages(variant.coarse, 1)[:-1]
    left = limit - sum(stage.steps * paces[stage.resolution] for stage in coarse)
    return max(1, round(left / paces[case.resolution]))
