"""Both algorithms, in both directions, against float64 NumPy and SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate

from styleinv.convolution import FilterBank, convolve_relu, filter_bank

SHAPES = [(17, 23), (5, 4), (1, 1), (16, 16), (33, 8), (1, 40), (2, 3)]
BLOCKS = [(71, 70), (5, 514), (59, 34)]  # several of Winograd's, most with a rest
ALGORITHMS = ("direct", "winograd", "matrices")


def case(shape, algorithm="direct", backward=False):
    """(image, kernel, cotangent); of Winograd's, 64 channels are summed, forward or backward."""
    wide = (128, 64) if backward else (64, 128)
    c_in, c_out = {"matrices": (3, 7), "direct": (5, 7), "winograd": wide}[algorithm]
    generator = np.random.default_rng(0)
    return (
        generator.standard_normal((*shape, c_in)).astype(np.float32),
        generator.standard_normal((3, 3, c_in, c_out)).astype(np.float32),
        generator.standard_normal((*shape, c_out)).astype(np.float32),
    )


def bank(kernel, algorithm):
    """Filters for the algorithm, whatever the size of the image."""
    direct, winograd = filter_bank(kernel, fast=algorithm != "direct")
    chosen = winograd if algorithm == "winograd" else direct
    assert chosen is not None
    first = {"direct": 3, "winograd": 36, "matrices": 27}
    assert chosen[0].shape[0] == first[algorithm]
    return FilterBank(chosen, None)


def reference(x, kernel):
    """f64[h, w, c_out], channel by channel, as networks correlate: the kernel is not flipped."""
    x, kernel = np.float64(x), np.float64(kernel)
    planes = [
        sum(correlate(x[..., i], kernel[..., i, o], mode="constant") for i in range(x.shape[2]))
        for o in range(kernel.shape[3])
    ]
    return np.stack(planes, axis=2)


def by_hand(x, kernel):
    """The same from its definition."""
    x = np.pad(np.float64(x), ((1, 1), (1, 1), (0, 0)))
    height, width = x.shape[0] - 2, x.shape[1] - 2
    return sum(
        x[p : p + height, q : q + width] @ np.float64(kernel[p, q])
        for p in range(3)
        for q in range(3)
    )


def assert_close(actual, desired, tolerance):
    """Relative to the largest value."""
    np.testing.assert_allclose(actual, desired, rtol=0, atol=tolerance * abs(desired).max())


def with_padding(x, padding):
    """Padding 1 as it is, padding 0 for a border that is already there."""
    return x if padding == 1 else np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", SHAPES + BLOCKS)
def test_convolve_relu_equals_double_precision(shape, algorithm):
    x, kernel, _ = case(shape, algorithm)
    bias = np.linspace(-9, 9, kernel.shape[3], dtype=np.float32)
    actual = jax.jit(convolve_relu)(x, bank(kernel, algorithm), bias)
    assert_close(actual, np.maximum(by_hand(x, kernel) + bias, 0), 4e-6)
    if min(shape) >= 3:  # SciPy swaps its operands where the kernel is the larger
        desired = np.maximum(reference(x, kernel[..., :7]) + bias[:7], 0)
        assert_close(actual[..., :7], desired, 4e-6)


@partial(jax.jit, static_argnames="padding")
def forward_and_back(x, filters, bias, cotangent, padding):
    y, pull = jax.vjp(lambda x: convolve_relu(x, filters, bias, padding), x)
    return y, pull(cotangent)[0]


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", SHAPES + BLOCKS)
def test_convolve_relu_gradient_equals_double_precision(shape, algorithm, padding):
    """Every pixel's gradient gathers the cotangents that it reached, with the kernel turned.

    Without padding, what is reached is the inside.
    """
    x, kernel, cotangent = case(shape, algorithm, backward=True)
    wide, bias = with_padding(x, padding), np.zeros(kernel.shape[3], np.float32)
    y, actual = forward_and_back(wide, bank(kernel, algorithm), bias, cotangent, padding)
    assert y.shape == cotangent.shape
    inside = slice(1 - padding, -1 if padding == 0 else None)
    assert_close(y, np.maximum(by_hand(wide, kernel)[inside, inside], 0), 4e-6)
    flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    reached = with_padding(np.where(np.asarray(y) > 0, cotangent, 0), 1)
    if padding == 0:
        reached = np.pad(reached, ((1, 1), (1, 1), (0, 0)))
    assert_close(actual, by_hand(reached, flipped), 4e-6)


@pytest.mark.parametrize(("shape", "count"), [((17, 23), 7), ((2, 3), 5), ((59, 34), 2)])
def test_winograd_of_a_batch_is_that_of_each_image(shape, count):
    """Blocks of tiles begin and end within images."""
    _, kernel, _ = case(shape, "winograd")
    filters, bias = bank(kernel, "winograd"), np.full(128, 100, np.float32)  # all ReLUs are open
    generator = np.random.default_rng(1)
    images = generator.standard_normal((count, *shape, 64)).astype(np.float32)
    cotangents = generator.standard_normal((count, *shape, 128)).astype(np.float32)

    def both(image, cotangent):
        y, pull = jax.vjp(lambda x: convolve_relu(x, filters, bias), image)
        return y, pull(cotangent)[0]

    actual = jax.jit(jax.vmap(both))(images, cotangents)
    desired = [jax.jit(both)(*each) for each in zip(images, cotangents, strict=True)]
    for found, wanted in zip(actual, zip(*desired, strict=True), strict=True):
        assert_close(found, np.stack(wanted), 4e-6)


def test_winograd_refuses_a_batch_of_filters():
    x, kernel, _ = case((5, 4), "winograd")
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), bank(kernel, "winograd"))
    with pytest.raises(NotImplementedError, match="a batch of filters"):
        jax.vmap(lambda f: convolve_relu(jnp.asarray(x), f, jnp.zeros(128)))(many)


@pytest.mark.parametrize("shape", [(17, 23), (5, 4), (1, 1)])
def test_direct_gradient_is_autodiff_bit_for_bit(shape):
    x, kernel, cotangent = case(shape)
    filters = filter_bank(kernel, fast=False)

    bias = np.ones(7, np.float32)

    def plain(x):
        y = jax.lax.conv_general_dilated(
            x[None], filters.direct[0], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jax.nn.relu(y[0] + bias[None, None])

    def gradient(function):
        return jax.jit(lambda x, c: jax.vjp(function, x)[1](c)[0])(x, cotangent)

    actual, desired = gradient(lambda x: convolve_relu(x, filters, bias)), gradient(plain)
    np.testing.assert_array_equal(actual, desired)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_convolve_relu_gradient_inside_a_loop_is_the_gradient_outside(algorithm):
    x, kernel, cotangent = case((59, 34), algorithm)
    filters, bias = bank(kernel, algorithm), jnp.zeros(kernel.shape[3])

    def gradient(x):
        return jax.vjp(lambda x: convolve_relu(x, filters, bias), x)[1](jnp.asarray(cotangent))[0]

    @jax.jit
    def twice(x):
        return jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, gradient(x)), (0, x))[1]

    assert_close(twice(x), np.asarray(jax.jit(gradient)(x)), 4e-6)


def test_filters_and_bias_get_no_gradient():
    x, kernel, _ = case((5, 4))
    filters = filter_bank(kernel, fast=False)
    bias = jnp.ones(7)
    gradient = jax.grad(lambda f: convolve_relu(jnp.asarray(x), f[0], f[1]).sum())((filters, bias))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(("positions", "desired"), [(1, 3), (127, 3), (128, 36), (10**6, 36)])
def test_choose_takes_winograd_for_what_is_large_enough(positions, desired):
    filters = filter_bank(case((1, 1), "winograd")[1], fast=True)
    assert {part.shape[0] for part in filters.choose(positions)} == {desired}


def test_filter_bank_without_winograd_is_always_direct():
    filters = filter_bank(case((1, 1), "winograd")[1], fast=False)
    assert filters.winograd is None
    assert filters.choose(10**6)[0].ndim == 4
