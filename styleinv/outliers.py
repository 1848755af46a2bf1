"""Who does not belong: the distance of each picture to the mixture of the others.

All of it follows from the inner products of the pictures (see `kernels`) and is exact: without
picture i of share w, the mean m is (m - w x_i) / (1 - w), and x_i is (x_i - m) / (1 - w) from it.
"""

import numpy as np

LIMIT = 3.5  # robust standard deviations (Iglewicz & Hoaglin 1993)
_CONSISTENT = 1.4826  # median absolute deviation -> standard deviation of a normal distribution


def to_the_rest(kernel: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """f64[n]: |x_i - m_i|^2 / |m_i|^2, m_i the mean of all but i.

    Args:
        kernel: f64[n, n], inner products.
        shares: f64[n], above zero, of sum 1; at least two.
    """
    cross = kernel @ shares
    square, own = shares @ cross, np.diagonal(kernel)
    left = 1 - shares
    apart = (own - 2 * cross + square) / left**2
    rest = (square - 2 * shares * cross + shares**2 * own) / left**2
    return np.maximum(apart, 0) / rest


def against_the_rest(kernel: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """f64[n]: 1 - the cosine of x_i with the mean of all but i; see `to_the_rest`."""
    cross = kernel @ shares
    square, own = shares @ cross, np.diagonal(kernel)
    rest = square - 2 * shares * cross + shares**2 * own
    return 1 - (cross - shares * own) / np.sqrt(np.maximum(rest * own, 1e-300))


def dispersion(kernel: np.ndarray, shares: np.ndarray) -> float:
    """sum_i w_i |x_i - m|^2 / |m|^2 with shares scaled to sum to 1; zero shares are left out."""
    shares = shares / shares.sum()
    square = shares @ kernel @ shares
    return float((shares @ np.diagonal(kernel) - square) / square)


def shift(kernel: np.ndarray, shares: np.ndarray, kept: np.ndarray) -> float:
    """|m' - m|^2 / |m|^2: how far the mean moves when only the kept, bool[n], stay."""
    rest = np.where(kept, shares, 0)
    moved = rest / rest.sum() - shares
    return float(moved @ kernel @ moved / (shares @ kernel @ shares))


def limit(distances: np.ndarray) -> float:
    """The distance above which a picture is called an outlier.

    The median and the median absolute deviation of the logarithms: a few outliers, however far, do
    not move them. At least a twentieth of the value counts as deviation, so that pictures that are
    all but equal have no outliers.
    """
    logs = np.log(np.maximum(distances, 1e-300))
    middle = np.median(logs)
    deviation = max(_CONSISTENT * float(np.median(np.abs(logs - middle))), 0.05)
    return float(np.exp(middle + LIMIT * deviation))
