"""Where a style image starts: white noise."""

import numpy as np

from styleinv.style import Moments

NOISES = ("dataset", "uniform")


def white_noise(
    kind: str, contrast: float, seed: int, height: int, width: int, pixels: Moments
) -> np.ndarray:
    """f32[height, width, 3] in [0, 1]; every pixel is drawn alone.

    Args:
        kind: "dataset" draws from a normal distribution with the mean and covariance of the
            dataset's colors; "uniform" around middle gray, each channel by itself.
        contrast: scales the deviation from the mean. 1 is the dataset's own contrast, or all of
            [0, 1]. Much contrast leaves colored grain in the result: the Grams hardly see the
            highest frequencies, so that what is there at the start stays.
        pixels: moments of the dataset's pixels.
    """
    generator = np.random.default_rng(seed)
    if kind == "uniform":
        noise = 0.5 + contrast * generator.uniform(-0.5, 0.5, (height, width, 3))
    else:
        mean = np.asarray(pixels.mean, np.float64)
        covariance = np.asarray(pixels.second, np.float64) - np.outer(mean, mean)
        spread, axes = np.linalg.eigh(covariance)
        root = axes * np.sqrt(np.maximum(spread, 0))
        noise = mean + contrast * generator.standard_normal((height, width, 3)) @ root.T
    return np.clip(noise, 0, 1).astype(np.float32)
