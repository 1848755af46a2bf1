"""The cells of a sweep one after the other, in this process."""

from collections.abc import Callable, Iterator, Sequence

from experiments.sweeps.cell import Job, Outcome, Runner


def run(jobs: Sequence[Job], stop: Callable[[], int]) -> Iterator[Outcome]:
    """See `engines`."""
    runner = Runner()
    for job in jobs:
        if stop():
            return
        yield runner.run(job, stop)
