"""Every representation of images can be any image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from styleinv.lbfgs import LBFGS
from styleinv.minimize import minimize
from styleinv.parameters import PARAMETERS


@pytest.mark.parametrize("name", PARAMETERS)
def test_decode_undoes_init(name, painting):
    init, decode = PARAMETERS[name]
    image = painting(1, 24, 32)
    np.testing.assert_allclose(decode(init(image)), image, atol=1 / 500)


@pytest.mark.parametrize("name", PARAMETERS)
def test_init_takes_black_and_white(name):
    init, decode = PARAMETERS[name]
    image = np.zeros((24, 32, 3), np.float32)
    image[0] = 1
    params = init(image)
    assert np.all(np.isfinite(params))
    # Half an 8-bit level: the same picture once it is saved.
    np.testing.assert_array_equal(np.round(255 * np.asarray(decode(params))), 255 * image)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("scale", [1, 1e3])
def test_decode_stays_within_the_range(name, scale):
    init, decode = PARAMETERS[name]
    shape = init(np.full((24, 32, 3), 0.5, np.float32)).shape
    params = np.random.default_rng(0).standard_normal(shape, np.float32)
    image = np.asarray(decode(np.float32(scale) * params))
    assert np.all((image >= 0) & (image <= 1))


@jax.jit
def out_and_back(dot):
    """The step in waves along a gradient that is a dot, from a gray image."""
    init, decode = PARAMETERS["waves"]
    params = init(jnp.full(dot.shape, 0.5))
    _, back = jax.vjp(decode, params)
    return jax.jvp(decode, (params,), back(dot))[1]


@pytest.mark.parametrize(("height", "width"), [(24, 32), (23, 31), (1, 7)])
def test_waves_make_a_step_along_the_gradient_as_smooth_as_they_say(height, width):
    """The frequencies of one pixel's way back to the parameters, and out to the image again."""
    dot = np.zeros((height, width, 3), np.float32)
    dot[height // 2, width // 3] = 1
    step = out_and_back(dot)
    y, x = np.arange(height) / (2 * height), np.arange(width) / (2 * width)
    gain = ((0.25 + 0.08) / (np.hypot(y[:, None], x[None]) + 0.08)) ** 2
    actual, waves = (scipy.fft.dctn(np.float64(z), axes=(0, 1), norm="ortho") for z in (step, dot))
    desired = waves * gain[..., None] / 16  # a pixel's slope is a quarter here
    np.testing.assert_allclose(actual, desired, atol=1e-4 * np.abs(desired).max())


def test_waves_do_not_carry_a_step_from_one_border_to_the_opposite():
    dot = np.zeros((24, 32, 3), np.float32)
    dot[12, 0] = 1
    step = np.asarray(out_and_back(dot))
    assert np.abs(step[:, 16:]).max() < 0.01 * step[12, 0, 0]


def farthest(name, start, picture, steps):
    """Of any pixel from the picture's, after so many steps towards it."""
    init, decode = PARAMETERS[name]

    def loss(params, problem):
        return ((decode(params) - problem) ** 2).mean(), {}

    *_, last = minimize(loss, init(start), picture, LBFGS(10), steps)
    return np.abs(np.asarray(decode(last.params)) - picture).max()


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_can_fit_a_real_picture(name, painting):
    picture = painting(1, 24, 32)
    gray = np.full(picture.shape, 0.5, np.float32)
    assert farthest(name, gray, picture, 60) < 0.02


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_have_a_slope(level):
    init, decode = PARAMETERS["pixels"]
    slope = jax.grad(lambda x: decode(x).sum())(init(jnp.full((4, 4, 3), level)))
    assert np.abs(slope).min() > 0.02


def test_black_becomes_white_within_thirty_steps():
    """Of a sigmoid, whose slope is nearly gone in both, it takes twice as many."""
    y, x = np.mgrid[:24, :32]
    picture = np.repeat(np.float32((x // 4 + y // 4) % 3 / 2)[:, :, None], 3, axis=2)
    assert farthest("pixels", 1 - picture, picture, 31) < 0.01
