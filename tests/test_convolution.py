"""Both algorithms, in both directions, against float64 SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from styleinv.convolution import FilterBank, convolve, filter_bank

SHAPES = [(17, 23), (5, 4), (1, 1), (16, 16), (33, 8), (1, 40), (2, 3)]


def case(shape, c_in=5, c_out=7):
    """(image, kernel, cotangent)."""
    generator = np.random.default_rng(0)
    return (
        generator.standard_normal((*shape, c_in)).astype(np.float32),
        generator.standard_normal((3, 3, c_in, c_out)).astype(np.float32),
        generator.standard_normal((*shape, c_out)).astype(np.float32),
    )


def bank(kernel, algorithm):
    """Filters for the algorithm, whatever the size of the image."""
    direct, winograd = filter_bank(kernel, winograd=True)
    assert winograd is not None
    return FilterBank(direct if algorithm == "direct" else winograd, None)


def reference(x, kernel):
    """f64[h, w, c_out], channel by channel, as networks correlate: the kernel is not flipped."""
    x, kernel = np.float64(x), np.float64(kernel)
    planes = [
        sum(correlate(x[..., i], kernel[..., i, o], "same") for i in range(x.shape[2]))
        for o in range(kernel.shape[3])
    ]
    return np.stack(planes, axis=2)[: x.shape[0], : x.shape[1]]


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


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("shape", SHAPES)
def test_convolve_equals_double_precision(shape, algorithm):
    x, kernel, _ = case(shape)
    actual = jax.jit(convolve)(x, bank(kernel, algorithm))
    assert_close(actual, by_hand(x, kernel), 1e-5)
    if min(shape) >= 3:  # SciPy swaps its operands where the kernel is the larger
        assert_close(actual, reference(x, kernel), 1e-5)


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("shape", SHAPES)
def test_convolve_gradient_equals_double_precision(shape, algorithm):
    """Every pixel's gradient gathers the cotangents that it reached, with the kernel turned."""
    x, kernel, cotangent = case(shape)
    filters = bank(kernel, algorithm)
    actual = jax.jit(lambda x, c: jax.vjp(lambda x: convolve(x, filters), x)[1](c)[0])(x, cotangent)
    flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    assert_close(actual, by_hand(cotangent, flipped), 1e-5)


@pytest.mark.parametrize("shape", [(17, 23), (5, 4), (1, 1)])
def test_direct_gradient_is_autodiff_bit_for_bit(shape):
    x, kernel, cotangent = case(shape)
    filters = filter_bank(kernel, winograd=False)

    def plain(x):
        return jax.lax.conv_general_dilated(
            x[None], filters.direct[0], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )[0]

    def gradient(function):
        return jax.jit(lambda x, c: jax.vjp(function, x)[1](c)[0])(x, cotangent)

    actual, desired = gradient(lambda x: convolve(x, filters)), gradient(plain)
    np.testing.assert_array_equal(actual, desired)


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
def test_convolve_gradient_inside_a_loop_is_the_gradient_outside(algorithm):
    x, kernel, cotangent = case((17, 23))
    filters = bank(kernel, algorithm)

    def gradient(x):
        return jax.vjp(lambda x: convolve(x, filters), x)[1](jnp.asarray(cotangent))[0]

    @jax.jit
    def twice(x):
        return jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, gradient(x)), (0, x))[1]

    assert_close(twice(x), np.asarray(jax.jit(gradient)(x)), 1e-5)


def test_filters_get_no_gradient():
    x, kernel, _ = case((5, 4))
    filters = filter_bank(kernel, winograd=False)
    gradient = jax.grad(lambda f: convolve(jnp.asarray(x), f).sum())(filters)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(("positions", "desired"), [(1, 4), (255, 4), (256, 3), (10**6, 3)])
def test_choose_takes_winograd_for_what_is_large_enough(positions, desired):
    filters = filter_bank(case((1, 1))[1], winograd=True)
    assert {part.ndim for part in filters.choose(positions)} == {desired}


def test_filter_bank_without_winograd_is_always_direct():
    filters = filter_bank(case((1, 1))[1], winograd=False)
    assert filters.winograd is None
    assert filters.choose(10**6)[0].ndim == 4
