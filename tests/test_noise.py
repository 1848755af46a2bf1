"""The white noise that a style image starts from."""

import numpy as np
import pytest

from styleinv.noise import NOISES, white_noise
from styleinv.style import Moments, Spread

MEAN = np.array([0.6, 0.5, 0.4])
COVARIANCE = np.array([[0.010, 0.006, 0.000], [0.006, 0.008, -0.002], [0.000, -0.002, 0.004]])
PIXELS = Moments(np.float64(1), MEAN, COVARIANCE + np.outer(MEAN, MEAN), Spread(*np.zeros((3,))))


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("contrast", [0.0, 0.1, 1.0, 5.0])
def test_white_noise_is_an_image(kind, contrast):
    noise = white_noise(kind, contrast, 0, 32, 48, PIXELS)
    assert (noise.shape, noise.dtype) == ((32, 48, 3), np.float32)
    assert noise.min() >= 0
    assert noise.max() <= 1


@pytest.mark.parametrize("kind", NOISES)
def test_white_noise_is_drawn_by_the_seed(kind):
    first, again, other = (white_noise(kind, 1.0, seed, 16, 16, PIXELS) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.05


@pytest.mark.parametrize("contrast", [0.1, 0.5, 1.0])
def test_white_noise_has_the_colors_of_the_dataset(contrast):
    colors = white_noise("dataset", contrast, 0, 256, 256, PIXELS).reshape(-1, 3)
    np.testing.assert_allclose(colors.mean(0), MEAN, atol=2e-3)
    desired = contrast**2 * COVARIANCE
    np.testing.assert_allclose(np.cov(colors.T), desired, atol=0.01 * contrast**2 * 0.02)


@pytest.mark.parametrize("contrast", [0.1, 1.0])
def test_white_noise_uniform_fills_its_range(contrast):
    colors = white_noise("uniform", contrast, 0, 128, 128, PIXELS).reshape(-1, 3)
    np.testing.assert_allclose(colors.min(0), 0.5 - contrast / 2, atol=1e-3)
    np.testing.assert_allclose(colors.max(0), 0.5 + contrast / 2, atol=1e-3)
    desired = np.eye(3) * contrast**2 / 12
    np.testing.assert_allclose(np.cov(colors.T), desired, atol=2e-3 * contrast**2)


@pytest.mark.parametrize("kind", NOISES)
def test_white_noise_is_white(kind):
    """No pixel knows of another: the power spectrum is flat."""
    noise = white_noise(kind, 0.5, 0, 128, 128, PIXELS)[..., 0]
    power = np.abs(np.fft.fft2(noise - noise.mean())) ** 2
    quarters = power.reshape(4, 32, 4, 32).mean((1, 3))
    np.testing.assert_allclose(quarters, power.mean(), rtol=0.2)


def test_white_noise_without_contrast_is_the_mean():
    noise = white_noise("dataset", 0.0, 0, 4, 4, PIXELS)
    np.testing.assert_allclose(noise, np.broadcast_to(MEAN, (4, 4, 3)), atol=1e-6)


def test_white_noise_takes_a_dataset_of_one_color():
    """A covariance that rounding has made slightly indefinite."""
    flat = PIXELS._replace(second=np.outer(MEAN, MEAN) - 1e-9 * np.eye(3))
    noise = white_noise("dataset", 1.0, 0, 8, 8, flat)
    np.testing.assert_allclose(noise, np.broadcast_to(MEAN, (8, 8, 3)), atol=1e-3)
