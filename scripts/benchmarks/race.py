"""Races: turn by turn, or to losses, of which the rival sets the marks and ours passes the last."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from styleinv.errors import InputError

AGREE = 1e-4  # relative: what losses and gradients of both may differ by


def alternate(turns: int, *programs: Callable[[], float]) -> list[list[float]]:
    """What each program returns, turn by turn: a noisy machine disturbs all alike."""
    found = [[program() for program in programs] for _ in range(turns)]
    return [list(each) for each in zip(*found, strict=True)]


def compare(mine: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """The medians, and ours over the rival's."""
    first, second = statistics.median(mine), statistics.median(theirs)
    return {"ours": first, "rival": second, "ratio": first / second}


class Run(NamedTuple):
    """What ours came to.

    Attributes:
        start: seconds before the first step.
        reached: {loss: (seconds since the beginning, steps)}.
        image: f32[h, w, 3], the last.
        loss: the last image's.
        floor: the share of every loss that no image is without.
    """

    start: float
    reached: Mapping[float, tuple[float, int]]
    image: np.ndarray
    loss: float
    floor: float = 0.0


def check(run: Run, by_rival: float) -> None:
    """Prints the loss of ours' last picture by either objective.

    Raises:
        InputError: if they differ: a race to another loss is none.
    """
    said = f"our last picture: {run.loss:.6g} by our objective, {by_rival:.6g} by the rival's"
    print(said, flush=True)
    if not abs(run.loss - by_rival) < AGREE * by_rival:
        raise InputError(f"{said}; they must be the same to be compared")


def row(run: Run, rival_start: float, seconds: float, loss: float) -> dict[str, Any]:
    """Ours against a rival that has that loss after so many seconds, start-up included."""
    mine, steps = run.reached[loss]
    return {
        "loss": loss,
        **compare([mine], [seconds]),
        "ratio_without_start": (mine - run.start) / (seconds - rival_start),
        "start": run.start,
        "rival_start": rival_start,
        "our_steps": steps,
    }
