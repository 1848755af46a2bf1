"""Gram matrices against float64, however they are cut, and their gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleinv import gram
from styleinv.native.emitter import CHANNELS


@pytest.mark.parametrize("function", [gram.gram, gram._plain_gram])
@pytest.mark.parametrize(
    ("rows", "channels"),
    [(63, 5), (1, 64), (8192, 64), (70001, 64), (8191, 128), (2048, 256), (12, 256), (1100, 512)],
)
def test_gram_is_the_product_with_itself(function, rows, channels):
    x = np.random.default_rng(0).standard_normal((2, rows, channels)).astype(np.float32)
    actual = np.asarray(jax.jit(function)(x))
    desired = np.einsum("bmi,bmj->bij", *2 * [x.astype(np.float64)], optimize=True)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-6 * desired.max())
    if function is gram.gram and channels % CHANNELS == 0:  # Eigen's differ by their rounding
        np.testing.assert_array_equal(actual, actual.transpose(0, 2, 1))


def test_gram_on_a_cpu_is_our_own_code_but_where_xla_cuts_the_arrays():
    x = jnp.ones((1, 8, 64))
    devices = jax.sharding.Mesh(np.array(jax.devices()[:1]), "rows")
    assert "styleinv_gram" in jax.jit(gram.gram).lower(x).as_text()
    with jax.set_mesh(devices):
        assert "styleinv_gram" not in jax.jit(gram.gram).lower(x).as_text()


def test_second_moments_of_a_batch_are_those_of_each():
    x = jnp.float32(np.random.default_rng(0).random((3, 9, 7, 64)))
    each = [gram.second_moment(image, None) for image in x]
    batch = jax.jit(jax.vmap(lambda image: gram.second_moment(image, None)))(x)
    np.testing.assert_allclose(batch, jnp.stack(each), rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_second_moment_gradient_equals_autodiff_of_the_plain_formula(masked):
    features = jnp.float32(np.random.default_rng(0).random((9, 7, 5)))
    share = jnp.asarray(
        np.random.default_rng(6).random((9, 7)) if masked else np.full((9, 7), 1 / 63)
    )
    cotangent = jnp.float32(np.random.default_rng(5).standard_normal((5, 5)))  # not symmetric

    def plain(x):
        return jnp.einsum("hw,hwi,hwj->ij", share, x, x, precision="highest")

    given = share if masked else None
    actual = jax.vjp(lambda x: gram.second_moment(x, given), features)[1](cotangent)[0]
    desired = jax.vjp(plain, features)[1](cotangent)[0]
    np.testing.assert_allclose(actual, desired, rtol=1e-5, atol=1e-6)


def test_second_moment_does_not_overflow_where_the_sum_would():
    features = jnp.full((64, 64, 2), 1e18, jnp.float32)  # squares add up to 4e39, beyond float32
    actual = gram.second_moment(features, jnp.full((64, 64), 1 / 4096))
    np.testing.assert_allclose(actual, 1e36, rtol=1e-3)
