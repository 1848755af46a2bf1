"""A mean and how sure it is, by resampling the pictures (Efron 1979)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean, and the ends of its 95 % bootstrap interval; the ends are None for a single value.

    All are None where there is no mean.
    """

    mean: float | None
    low: float | None
    high: float | None


def mean_of(values: Sequence[float], seed: int = 0) -> Interval:
    """The mean over pictures; few pictures make the interval too narrow, never too wide."""
    data = np.asarray(values, np.float64)
    if len(data) < 2:
        return Interval(float(data.mean()), None, None)
    drawn = np.random.default_rng(seed).integers(len(data), size=(RESAMPLES, len(data)))
    low, high = np.quantile(data[drawn].mean(1), (0.025, 0.975))
    return Interval(float(data.mean()), float(low), float(high))


def ratio_of(values: Sequence[float], others: Sequence[float], seed: int = 0) -> Interval:
    """The geometric mean of values / others, none negative, picture by picture; of a 0, None."""
    if not (all(values) and all(others)):
        return Interval(None, None, None)
    found = mean_of(np.log(np.asarray(values) / np.asarray(others)).tolist(), seed)
    return Interval(*(None if x is None else float(np.exp(x)) for x in found))
