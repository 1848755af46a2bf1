"""The cells of a sweep several at a time in this process, their steps as one: for accelerators.

Cells whose steps have equal shapes take each step as a batch (`styleinv.together`); others run
beside them, a step of each in turn.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from experiments.sweeps.cell import Job, Outcome, Runner
from experiments.sweeps.engines import Engine


def engine(size: int) -> Engine:
    """An engine that runs so many cells at a time."""
    return partial(_run, size)


def _run(size: int, jobs: Sequence[Job], stop: Callable[[], int]) -> Iterator[Outcome]:
    runner = Runner()
    for begin in range(0, len(jobs), size):
        if stop():
            return
        yield from runner.run_together(jobs[begin : begin + size], stop)
