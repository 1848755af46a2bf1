"""One picture of a run: the loop's frames into the run's folder.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.inputs import precision_of, stages_of
from experiments.problem import Problem
from styleinv.config import Config

if TYPE_CHECKING:
    from experiments.session import Session
    from styleinv.record import Record
    from styleinv.synthesize import Frame


class Task(NamedTuple):
    """One picture in the making.

    Attributes:
        index: which of the run's pictures it is.
        name: what its snapshots' names begin with.
        title: for the progress bar.
        facts: what each of its lines in metrics.jsonl says besides the numbers.
    """

    index: int
    name: str
    title: str
    facts: Mapping[str, Any]


def is_done(config: Config, run: "Record", task: Task) -> bool:
    """Whether an earlier sitting came to the end of the picture."""
    if run.resume is None:
        return False
    index, position = run.resume
    stages = stages_of(config)
    ended = (position.stage, position.step) == (len(stages) - 1, stages[-1].steps)
    return task.index < index or (task.index == index and ended)


def optimize(opened: "Session", task: Task, problem: Problem) -> Iterator["Frame"]:
    """Yields the frames that are left of the picture; fewer if it is stopped.

    Metrics and snapshots are written before a frame is yielded, its checkpoint after: what the
    caller writes at a frame is safe before the run goes on from there.
    """
    import jax

    from styleinv import progress
    from styleinv.lbfgs import LBFGS
    from styleinv.minimize import Adam
    from styleinv.parameters import PARAMETERS
    from styleinv.synthesize import synthesize

    config, run = opened.config, opened.run
    stages, optimizer = stages_of(config), config.optimizer
    reached, position = run.resume or (0, None)
    position = position if task.index == reached else None

    def solver_for(steps):
        if optimizer.name == "adam":
            return Adam(optimizer.learning_rate, steps)
        return LBFGS(optimizer.memory)

    def checkpointed(count):
        return count == total or count % config.checkpoint_every == 0

    def seen(count):
        return count == total or count in config.snapshots

    total = sum(stage.steps for stage in stages)
    work = [stage.resolution**2 for stage in stages]  # of one step, for the time left
    with progress.bar(
        task.title, sum(w * s.steps for w, s in zip(work, stages, strict=True))
    ) as bar:
        if position:
            bar.skip(sum(w * s.steps for w, s in zip(work[: position.stage], stages, strict=False)))
            bar.skip(work[position.stage] * position.step)
        for frame in synthesize(
            problem.at,
            problem.start,
            stages,
            PARAMETERS[optimizer.parameters],
            solver_for,
            keep_details=config.start.image != "noise",
            rematerialize=config.network.rematerialize,
            precision=precision_of(config),
            at_once=optimizer.at_once or (1 if jax.default_backend() == "cpu" else 10),
            halts=lambda count: checkpointed(count) or seen(count),
            step=opened.step,
            resume=position,
        ):
            number, last = total * task.index + frame.count, frame.count == total
            line = {"picture": task.index, **task.facts, "step": frame.count}
            line |= {"stage": frame.stage, "resolution": frame.resolution, "stage_step": frame.step}
            line |= {"loss": frame.snapshot.loss, "values": frame.snapshot.values}
            run.step(number, line | {"dispersion": problem.dispersion(frame.resolution)})
            if seen(frame.count):
                run.image(number, image_name(task.name, frame.count), frame.image)
            bar.advance(work[frame.stage], f"{frame.resolution} px  loss {frame.snapshot.loss:.5f}")
            stopped = frame.settled and opened.stop() and not last
            yield frame
            if stopped or checkpointed(frame.count):
                run.checkpoint(number, task.index, frame.position)
            if stopped:
                return


def image_name(name: str, step: int) -> str:
    """Of a snapshot in images/, without the extension."""
    return f"{name}_step{step:05d}"
