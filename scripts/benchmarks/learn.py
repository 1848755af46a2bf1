"""Time to the loss that the obvious PyTorch program reaches when it learns from several pictures.

Both have the same pictures at the same resolution, layers and layer weights, and count the sum over
the pictures (ours: the distance to their mixture, plus the dispersion); both start from noise in
the pictures' colors. Total variation is left out. Ours goes from coarse to fine, with half the
coarse steps of the config `anime`, which get to such losses sooner (docs/settings.md), and with as
many fine ones as it takes. Everything after the imports counts: weights,
features of the pictures, and compilation out of a warm cache (a first run of ours, which is not
counted, has filled it). The start-up is what comes before the first step; the compilation of later
stages is counted with the steps.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks import ours
from scripts.benchmarks.program import Program, alone, require
from scripts.benchmarks.race import Run, check, row
from styleinv import dataset
from styleinv.errors import InputError
from styleinv.lbfgs import LBFGS
from styleinv.noise import white_noise
from styleinv.objective import StyleTerm
from styleinv.parameters import PARAMETERS
from styleinv.survey import survey
from styleinv.synthesize import Stage, synthesize
from styleinv.vgg import PIXELS, layer_names

_COARSE = (40, 40)  # steps of the stages before the last
_FINE = 2000  # steps of the last stage, after which the rival's loss is given up
_MEMORY, _CONTRAST, _SEED = 20, 0.1, 0  # the defaults of the schema


class OurLearning:
    """Ours; see the top of this file.

    Args:
        paths: the pictures.
        coarse: steps of the stages before the last.
    """

    def __init__(self, paths: Sequence[Path], resolution: int, coarse: Sequence[int] = _COARSE):
        self._paths, self._resolution, self._coarse = paths, resolution, coarse

    def run(self, marks: Sequence[float]) -> Run:
        """Until the last of these falling losses, or until it is given up."""
        begun, reached = time.perf_counter(), {}
        ours.set_up()
        network, stages = ours.load_network(), _stages(self._resolution, self._coarse)
        items = dataset.shares([item for path in self._paths for item in dataset.find(path)])
        layers, resolutions = (PIXELS, *layer_names()), [stage.resolution for stage in stages]
        measured = survey(network, items, layers, resolutions)
        assert measured is not None
        styles = measured["all"]
        objectives = {key: ours.gram_objective(style) for key, style in styles.items()}
        term = objectives[self._resolution].terms["style"]
        assert isinstance(term, StyleTerm)
        floor = term.dispersion(styles[self._resolution])
        assert floor is not None  # Gram matrices have one
        frames = synthesize(
            lambda resolution: (network, objectives[resolution]),
            lambda resolution: white_noise(
                "dataset",
                _CONTRAST,
                _SEED,
                resolution,
                resolution,
                styles[resolution].moments[PIXELS],
            ),
            stages,
            PARAMETERS["pixels"],
            lambda steps: LBFGS(_MEMORY),
        )
        frame = next(frames)  # compiles, and evaluates the start
        start, left = time.perf_counter() - begun, list(marks)
        for frame in frames:
            loss = frame.snapshot.loss + floor
            while left and frame.resolution == self._resolution and loss <= left[0]:
                reached[left.pop(0)] = time.perf_counter() - begun, frame.count
            if not left:
                break
        return Run(start, reached, frame.image, frame.snapshot.loss + floor, floor)


def _stages(resolution: int, coarse: Sequence[int]) -> list[Stage]:
    """From coarse, at 16 px or more, to the resolution."""
    stages = [Stage(resolution // 2 ** (len(coarse) - i), n) for i, n in enumerate(coarse)]
    return [stage for stage in stages if stage.resolution >= 16] + [Stage(resolution, _FINE)]


def rows(resolution: int, references: int, steps: int, line_search: str) -> list[dict[str, Any]]:
    """A row for the loss that the rival has after a third of its evaluations, and after all."""
    require("torch")
    paths, mine = ours.demo(references), f"{__name__}:OurLearning"
    alone(mine, (paths, resolution, (1, 1)), "run", [math.inf])  # fills the compilation cache
    rival = "scripts.benchmarks.torch_learning:TorchLearning"
    with Program(rival, paths, resolution, line_search) as theirs:
        way = theirs("run", steps)
        best, ends = _falling(way), (max(1, steps // 3), steps)
        run: Run = alone(mine, (paths, resolution), "run", [best[end][1] for end in ends])
        check(run, theirs("loss", run.image))
    result = []
    for end in ends:
        seconds, loss = best[end]
        if loss not in run.reached:
            raise InputError(
                f"the rival wins: ours has a loss of {run.loss:.6f} after {_FINE} fine steps, and "
                f"the rival's was {loss:.6f} after {end} evaluations and {seconds:.0f} s"
            )
        facts = {"resolution": resolution, "references": references, "evaluations": end}
        result.append(facts | {"floor": run.floor} | row(run, way[0][0], seconds, loss))
    return result


def _falling(way: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """For each evaluation, when the lowest loss so far was seen, and that loss."""
    found = [way[0]]
    for seconds, loss in way[1:]:
        found.append((seconds, loss) if loss < found[-1][1] else found[-1])
    return found
