"""Styles that were measured apart, added, interpolated and taken out of each other.

Moments are linear: a style is the weighted mean of the styles of its parts, and what a part has put
in can be taken out again with a negative weight. Spreads are linear too, once the squares of the
means are added to them.
"""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from styleinv.errors import InputError
from styleinv.style import Moments, Spread, Style, shifted, unknown

_ROUNDING = 1e-5  # of the largest, that an eigenvalue of float32 moments may be below zero
_NOTHING = 1e-6  # of all weights: what float32 shares may leave of ones that cancel


def combine(styles: Sequence[Style], weights: Sequence[float], names: Sequence[str]) -> Style:
    """The weighted mean, in float64.

    Args:
        styles: of the same resolution and layers; their own weights say which share of the images
            knows a layer.
        weights: one for each, negative to take one out, of positive sum.
        names: of the styles, for messages.

    Raises:
        InputError: if there are no images that would have these moments.
    """
    first = styles[0]
    moments = {}
    for layer in first.layers:
        where = f"{layer} at {first.resolution} px"
        found = _combine([style.moments[layer] for style in styles], weights, where, names)
        moments[layer] = found
    return Style(first.resolution, moments)


def _combine(
    every: Sequence[Moments], weights: Sequence[float], where: str, names: Sequence[str]
) -> Moments:
    shares = np.array([w * float(m.weight) for w, m in zip(weights, every, strict=True)])
    if abs(shares.sum()) <= _NOTHING * np.abs(shares).sum():  # all that knew it is taken out
        return unknown(len(every[0].mean))
    if shares.sum() <= 0:
        raise InputError(
            f"the weights of {' and '.join(names)} sum to {shares.sum():g} for {where}; "
            "they must be more than 0"
        )
    weight = shares.sum() / sum(weights)
    shares = shares / shares.sum()
    mean = _mean(shares, [m.mean for m in every])
    second = _mean(shares, [m.second for m in every])
    squares = [np.array(m.spread) + _squares(m.mean, m.second) for m in every]
    distances = _mean(shares, squares) - _squares(mean, second)
    size = _mean(abs(shares), squares)  # of which the distances have the rounding
    if (shares < 0).any():
        _refuse_impossible(mean, second, where)
        _refuse_negative(distances, size, where)
    distances[distances < 1e-7 * size] = 0  # a single part, or parts alike
    return Moments(weight, mean, second, Spread(*distances))


def _mean(shares: np.ndarray, arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.tensordot(shares, np.stack(arrays).astype(np.float64), 1)


def _squares(mean: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What `Spread` is of, of the mixture itself: f64[3]."""
    mean, second = np.asarray(mean, np.float64), np.asarray(second, np.float64)
    return np.array([(x**2).sum() for x in (mean, second, shifted(mean, second))])


def _refuse_impossible(mean: np.ndarray, second: np.ndarray, where: str) -> None:
    """Raises an InputError unless there are features with this mean and second moment."""
    largest = np.abs(second).max() * len(mean)
    values = np.linalg.eigvalsh(second - np.outer(mean, mean))
    if values[0] < -_ROUNDING * largest:
        _refuse("variance", values[0], where)


def _refuse_negative(distances: np.ndarray, size: np.ndarray, where: str) -> None:
    """Raises an InputError if images would be nearer than not at all to their mixture."""
    if (negative := distances < -_ROUNDING * size).any():
        _refuse("spread", distances[negative].min(), where)


def _refuse(what: str, value: float, where: str) -> NoReturn:
    raise InputError(
        f"what is left has a negative {what} of {value:.3g} for {where}: "
        "what is taken out was never in it, or not as much; choose other weights"
    )
