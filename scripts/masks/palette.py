"""The looks of a whole folder: each position is given to the nearest of a few centers.

A picture is u8[h, w, 3] RGB. A position's look is its Lab color, how rough it is around there, and
how far down it lies: f32[5]. The centers are those of all pictures together, so that the same look
has the same number in each of them.
"""

from collections.abc import Sequence

import cv2
import numpy as np

SIDE = 256  # of the longer side, in pixels, at which regions are looked for
_ROUGH = 10.0  # weight of the roughness; that of a, b and lightness is 1
_SAMPLES = 4000  # positions of each picture that the centers are found from


def shrink(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def centers(smalls: Sequence[np.ndarray], count: int, down: float) -> np.ndarray:
    """f32[count, 5], by k-means, from top to bottom; `down` is the weight of the height."""
    random, samples = np.random.default_rng(0), []
    for small in smalls:
        flat = _look(small, down).reshape(-1, 5)
        samples.append(flat[random.integers(len(flat), size=_SAMPLES)])
    cv2.setRNGSeed(0)
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-3)
    labels = np.empty((0, 1), np.int32)
    found = cv2.kmeans(np.concatenate(samples), count, labels, until, 4, cv2.KMEANS_PP_CENTERS)[2]
    return found[np.argsort(found[:, 4])]


def nearest(small: np.ndarray, looks: np.ndarray, down: float) -> np.ndarray:
    """i64[h, w]: the number of the nearest of f32[n, 5]."""
    flat = _look(small, down).reshape(-1, 5)
    distances = (looks**2).sum(1) - 2 * flat @ looks.T  # squared, up to what all share
    return distances.argmin(1).reshape(small.shape[:2])


def _look(small: np.ndarray, down: float) -> np.ndarray:
    calm = cv2.bilateralFilter(small, 9, 40, 9)
    lab = cv2.cvtColor(calm.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 2))
    rough = np.sqrt(cv2.GaussianBlur(fine, (0, 0), 4))
    height = np.broadcast_to(np.linspace(0, 1, len(gray), dtype=np.float32)[:, None], gray.shape)
    return np.dstack([lab, _ROUGH * rough, down * height])
