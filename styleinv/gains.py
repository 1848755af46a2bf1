"""A second moment as gains and correlations, with the mean inside it.

With a constant 1 appended to the features, their second moment holds the mean in its last column.
It is split into gains g = sqrt(diagonal) and correlations R: the moment is R_ij g_i g_j.
"""

import numpy as np

from styleinv.style import Moments


def split(moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """(gains f64[c + 1], correlations f64[c + 1, c + 1]) of (features, 1); the last gain is 1.

    A channel that never fires has gain 0 and goes with no other.
    """
    mean = np.asarray(moments.mean, np.float64)
    second = np.block([[np.asarray(moments.second, np.float64), mean[:, None]], [mean, np.ones(1)]])
    gain = np.sqrt(np.maximum(np.diagonal(second), 0.0))
    inverse = np.divide(1.0, gain, out=np.zeros_like(gain), where=gain > 0)
    correlation = second * inverse[:, None] * inverse
    np.fill_diagonal(correlation, 1.0)
    return gain, correlation


def unsplit(gain: np.ndarray, correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean f64[c], second moment f64[c, c]) of gains and correlations, made possible.

    Gains are at least 0, and the correlations go to a positive semidefinite matrix near them: its
    negative eigenvalues become 0, and its diagonal 1 again. With the 1 among the features, both the
    second moment and the covariance are then positive semidefinite.
    """
    values, vectors = np.linalg.eigh(correlation)
    if values[0] < 0:
        correlation = (vectors * np.maximum(values, 0.0)) @ vectors.T
        scale = 1 / np.sqrt(np.diagonal(correlation))
        correlation = correlation * scale[:, None] * scale
    gain = np.maximum(gain, 0.0)
    second = correlation * gain[:, None] * gain
    return second[:-1, -1], second[:-1, :-1]
