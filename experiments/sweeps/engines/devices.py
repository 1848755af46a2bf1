"""The cells of a sweep on all devices of this process, one at a time on each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from experiments.sweeps.cell import Job, Outcome, Runner
from experiments.sweeps.engines import Engine


def engine(devices: Sequence[Any]) -> Engine:
    """An engine that keeps each of some jax.Devices at work."""
    return partial(_run, devices)


def _run(devices, jobs: Sequence[Job], stop: Callable[[], int]) -> Iterator[Outcome]:
    yield from Runner().run_apart(jobs, stop, devices)
