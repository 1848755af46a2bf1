"""Resampling of floats by Lanczos' filter, antialiased: Pillow's, in a fraction of its time.

A row of the result is a sum of few rows of the picture, so that some rows of it are a small product
of matrices.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

_RADIUS = 3  # pixels, of the coarser grid
_ROWS = 16  # of the result at a time
_ALONE = 2**18  # multiplications up to which BLAS takes one thread: the others have their own work


class _Band(NamedTuple):
    """Some rows of the result: weights f32[rows, end - begin] times rows of the picture."""

    begin: int
    end: int
    weights: np.ndarray


def resample(x: np.ndarray, begin: float, end: float, size: int) -> np.ndarray:
    """f32[n, ...] -> f32[size, ...]: what lies from begin to end on the first axis."""
    if (begin, end, size) == (0, len(x), len(x)):
        return x
    flat = x.reshape(len(x), -1)
    made = np.empty((size, flat.shape[1]), np.float32)
    top = 0
    for band in _bands(len(x), begin, end, size):
        rows, step = len(band.weights), max(1, _ALONE // band.weights.size)
        for left in range(0, flat.shape[1], step):
            columns = slice(left, left + step)
            made[top : top + rows, columns] = band.weights @ flat[band.begin : band.end, columns]
        top += rows
    return made.reshape(size, *x.shape[1:])


@lru_cache(maxsize=64)  # pictures of a size share theirs
def _bands(length: int, begin: float, end: float, size: int) -> list[_Band]:
    scale = (end - begin) / size
    wide = max(scale, 1.0)
    bands = []
    for top in range(0, size, _ROWS):
        centers = begin + (np.arange(top, min(top + _ROWS, size)) + 0.5) * scale
        first = max(0, math.floor(centers[0] - _RADIUS * wide))
        last = min(length, math.ceil(centers[-1] + _RADIUS * wide))
        away = (np.arange(first, last) + 0.5 - centers[:, None]) / wide
        weights = np.where(abs(away) < _RADIUS, np.sinc(away) * np.sinc(away / _RADIUS), 0)
        weights /= weights.sum(1, keepdims=True)
        bands.append(_Band(first, last, weights.astype(np.float32)))
    return bands
