"""Keeping a photograph's colors while its style changes (Gatys et al. 2016b, "Preserving color").

Images are f32[h, w, 3] in [0, 1]. Two ways: the style's colors are moved to the photograph's before
it is measured ("match"), or only luminance is transferred and the color put back ("luminance").
"""

import numpy as np

ORIGINAL_COLORS = ("no", "luminance", "match")
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601, of gamma-encoded values


def luminance(image: np.ndarray) -> np.ndarray:
    """f32[h, w, 3]: the gray picture of the same luminance."""
    return np.repeat((image @ _LUMA)[..., None], 3, axis=2).astype(np.float32)


def with_colors_of(image: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """f32[h, w, 3]: the luminance of one image with the color differences of another.

    A color that would leave [0, 1] moves towards gray, so that its luminance and hue stay.
    """
    y = np.clip(image @ _LUMA, 0, 1)[..., None]
    chroma = photo - (photo @ _LUMA)[..., None]
    # The largest share of the chroma that stays inside, per pixel.
    room = np.where(chroma > 0, 1 - y, y) / np.maximum(np.abs(chroma), 1e-6)
    return (y + np.clip(room.min(2, keepdims=True), 0, 1) * chroma).astype(np.float32)


def match_luminance(
    style: np.ndarray,
    photo: np.ndarray,
    style_mask: np.ndarray | None = None,
    photo_mask: np.ndarray | None = None,
) -> np.ndarray:
    """f32[h, w, 3], gray: the style's luminance with the photograph's mean and contrast.

    Args:
        style_mask, photo_mask: f32[h, w] in [0, 1], how much each position of the style and of the
            photograph counts; None for all alike.
    """
    y = style @ _LUMA
    mean, deviation = _spread(y, style_mask)
    desired_mean, desired = _spread(photo @ _LUMA, photo_mask)
    matched = (y - mean) * (desired / max(deviation, 1e-6)) + desired_mean
    return np.repeat(np.clip(matched, 0, 1)[..., None], 3, axis=2).astype(np.float32)


def match_colors(
    style: np.ndarray,
    photo: np.ndarray,
    style_mask: np.ndarray | None = None,
    photo_mask: np.ndarray | None = None,
) -> np.ndarray:
    """f32[h, w, 3]: the style with the photograph's mean and covariance of colors.

    The affine map is the symmetric one (equation 4 with the optimal-transport root), which moves
    colors as little as can be; what leaves [0, 1] is clipped.

    Args:
        style_mask, photo_mask: see `match_luminance`.
    """
    mean, covariance = _color_moments(style, style_mask)
    desired_mean, desired = _color_moments(photo, photo_mask)
    covariance = covariance + 1e-9 * np.eye(3)  # a picture of one color has no inverse
    root, inverse = _power(covariance, 0.5), _power(covariance, -0.5)
    matrix = inverse @ _power(root @ desired @ root, 0.5) @ inverse
    return np.clip((style - mean) @ matrix + desired_mean, 0, 1).astype(np.float32)


def _spread(values: np.ndarray, mask: np.ndarray | None) -> tuple[float, float]:
    """Mean and standard deviation of f64[h, w]."""
    mean = np.average(values, weights=mask)
    return mean, np.average((values - mean) ** 2, weights=mask) ** 0.5


def _color_moments(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    rows = image.reshape(-1, 3).astype(np.float64)
    weights = None if mask is None else mask.ravel().astype(np.float64)
    covariance = np.cov(rows, rowvar=False, bias=True, aweights=weights)
    return np.average(rows, axis=0, weights=weights), covariance


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Of a symmetric matrix; directions without variance count as nearly none."""
    values, axes = np.linalg.eigh(matrix)
    return (axes * np.maximum(values, 1e-12) ** exponent) @ axes.T
