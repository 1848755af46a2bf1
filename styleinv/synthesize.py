"""Coarse to fine: the same problem at rising resolutions, each started from the one before.

The only place that sees all the nouns: network, objective, parameters, solver, stages.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from styleinv import blocks, images
from styleinv.errors import InputError
from styleinv.minimize import Snapshot, Solver, Step, minimize, shapes_of
from styleinv.objective import Objective
from styleinv.parameters import Parameters
from styleinv.precision import FLOAT32, Precision
from styleinv.vgg import VGG


class Stage(NamedTuple):
    """Steps at a resolution."""

    resolution: int
    steps: int


class Frame(NamedTuple):
    """A step of a stage.

    Attributes:
        stage: the stage's index.
        resolution: of the stage.
        step: steps done in the stage.
        count: steps done over all stages.
    """

    stage: int
    resolution: int
    step: int
    count: int
    snapshot: Snapshot
    decode: Callable[[jax.Array], jax.Array]

    @property
    def settled(self) -> bool:
        """Whether image and position are those of this step; see `Snapshot.ahead`."""
        return not self.snapshot.ahead

    @property
    def image(self) -> np.ndarray:
        """f32[h, w, 3] in [0, 1], after the step."""
        return np.asarray(self.decode(self.snapshot.params))

    @property
    def position(self) -> "Position":
        """All that is needed to go on from here."""
        leaves = jax.tree.leaves((self.snapshot.params, self.snapshot.state))
        return Position(self.stage, self.step, [np.asarray(leaf) for leaf in leaves])


class Position(NamedTuple):
    """Where a run stands: the leaves of parameters and solver state after a step of a stage."""

    stage: int
    step: int
    leaves: list[np.ndarray]


@dataclass(frozen=True)
class ImageLoss:
    """params, (network, objective) -> loss and terms. Equal ones share their compiled step.

    Attributes:
        decode: params -> image.
        rematerialize: compute the features of a block again when its gradient is due, instead of
            keeping those of all blocks.
        precision: of the convolutions.
        strips: see `blocks.evaluate`.
    """

    decode: Callable[[jax.Array], jax.Array]
    rematerialize: bool = False
    precision: Precision = FLOAT32
    strips: bool = True

    def __call__(
        self, params: jax.Array, problem: tuple[VGG, Objective]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        network, objective = problem
        image = self.decode(params)
        if self.rematerialize:
            return blocks.evaluate(network, objective, image, self.precision, strips=self.strips)
        return objective(image, network(image, objective.layers, self.precision))


def synthesize(
    problem_at: Callable[[int], tuple[VGG, Objective]],
    start: Callable[[int], np.ndarray],
    stages: Sequence[Stage],
    parameters: Parameters,
    solver_for: Callable[[int], Solver],
    *,
    keep_details: bool = False,
    rematerialize: bool = False,
    precision: Precision = FLOAT32,
    at_once: int = 1,
    halts: Callable[[int], bool] = lambda count: False,
    step: Step | None = None,
    resume: Position | None = None,
) -> Iterator[Frame]:
    """Yields every step of every stage.

    Args:
        problem_at: resolution -> (network, objective).
        start: resolution -> f32[h, w, 3], the image that a run at it would start from. Only the
            first stage starts there; the later ones take its shape, or more: see `keep_details`.
        stages: coarse to fine.
        parameters: what is optimized in place of the image.
        solver_for: number of steps -> solver; it starts anew at each stage, since a resized
            image's curvature is another.
        keep_details: whether a later stage starts from its own `start` plus the change that the
            stage before made to its one. Right where the starts are the same picture, whose
            details would be lost with the resized image; not for noise.
        rematerialize: half the memory for more time, see `ImageLoss`.
        precision: of the convolutions.
        at_once: steps at most in one dispatch, see `minimize`; none goes beyond a stage.
        halts: steps over all stages -> whether the frame's image or position will be asked for.
        step: see `minimize`.
        resume: the position to go on from; bit for bit what an undisturbed run would do.

    Raises:
        InputError: if the position is of other parameters or another solver.
    """
    # A step of one's own may have the image's rows on several devices.
    loss = ImageLoss(parameters.decode, rematerialize, precision, strips=step is None)
    image = None
    for index, stage in enumerate(stages):
        earlier = sum(s.steps for s in stages[:index])
        if resume and index < resume.stage:
            continue
        blank = start(stage.resolution)
        if image is None:
            image = blank
        elif keep_details:
            image = blank + _enlarge_change(
                image - start(stages[index - 1].resolution), *blank.shape[:2]
            )
        else:
            image = images.resize(image, *blank.shape[:2])
        problem, solver = problem_at(stage.resolution), solver_for(stage.steps)
        params, done = parameters.init(jnp.asarray(image)), None
        if resume and index == resume.stage:
            params, done = _restore(loss, params, problem, solver, resume)
        for snapshot in minimize(
            loss,
            params,
            problem,
            solver,
            stage.steps,
            frugal=rematerialize,
            at_once=at_once,
            halts=lambda count, earlier=earlier: halts(earlier + count),
            step=step,
            resume=done,
        ):
            params, count = snapshot.params, snapshot.step
            yield Frame(
                index, stage.resolution, count, earlier + count, snapshot, parameters.decode
            )
        image = np.asarray(parameters.decode(params))


def _enlarge_change(change: np.ndarray, height: int, width: int) -> np.ndarray:
    """f32[h, w, 3] in [-1, 1] -> f32[height, width, 3], the difference of two images resized."""
    return 2 * images.resize((change + 1) / 2, height, width) - 1


def _restore(
    loss: ImageLoss, params: jax.Array, problem: Any, solver: Solver, position: Position
) -> tuple[jax.Array, tuple[int, Any]]:
    _, values = shapes_of(loss, params, problem)
    like, structure = jax.tree.flatten((params, jax.eval_shape(solver.init, params, values)))
    if [leaf.shape for leaf in like] != [leaf.shape for leaf in position.leaves]:
        raise InputError(
            "the checkpoint to go on from is of another version of the program: use that one, or "
            "begin anew in another --workdir"
        )
    params, state = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in position.leaves])
    return params, (position.step, state)
