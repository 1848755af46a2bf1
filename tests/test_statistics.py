"""Each statistic from its moments against its formula in float64, written down from its source."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleinv import style
from styleinv.gram import moments
from styleinv.statistics import STATISTICS, distance, square
from styleinv.style import Moments, Spread, Style, of_one

EPSILON = 1e-6  # under the square roots


def moments_of(f):
    return of_one(*moments(f, None))


def gram(f):
    return f.T @ f / len(f)


def correlation(f):
    size = np.sqrt(np.diag(gram(f)) + EPSILON)
    return gram(f) / np.outer(size, size)


def batch_norm(f):
    """Li et al. 2017, equation 16: (1/N) sum of squared differences of means and deviations."""
    return np.stack([f.mean(0), np.sqrt(f.var(0) + EPSILON)]) / np.sqrt(f.shape[1])


def squared(statistic):
    return lambda x, y: ((statistic(x) - statistic(y)) ** 2).sum()


def mmd(kernel):
    """Maximum mean discrepancy by its definition: all pairs of positions, and no moments."""
    return lambda x, y: kernel(x @ x.T).mean() + kernel(y @ y.T).mean() - 2 * kernel(x @ y.T).mean()


DISTANCES = {
    "gram": squared(gram),
    "shifted_gram": squared(lambda f: gram(f - 1)),
    "correlation": squared(correlation),
    "mean_covariance": lambda x, y: (
        ((x.mean(0) - y.mean(0)) ** 2).sum()
        + ((np.cov(x.T, bias=True) - np.cov(y.T, bias=True)) ** 2).sum()
    ),
    "batch_norm": squared(batch_norm),
    "mmd_linear": mmd(lambda product: product),
    "mmd_polynomial": mmd(lambda product: (product + 1) ** 2),
}


def features(seed, height, width, channels=6):
    values = np.random.default_rng(seed).standard_normal((height, width, channels))
    return np.maximum(values + seed, 0).astype(np.float32)


def test_every_statistic_has_a_formula_here():
    assert set(DISTANCES) == set(STATISTICS)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_distance_equals_the_formula(statistic):
    x, y = features(0, 8, 9), features(1, 5, 7)  # of two sizes
    embed = STATISTICS[statistic].embed
    actual = distance(embed(moments_of(jnp.asarray(x))), embed(moments_of(jnp.asarray(y))))
    desired = DISTANCES[statistic](*(np.float64(f).reshape(-1, 6) for f in (x, y)))
    np.testing.assert_allclose(actual, desired, rtol=1e-5)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_square_is_the_distance_from_nothing(statistic):
    embedding = STATISTICS[statistic].embed(moments_of(jnp.asarray(features(1, 5, 7))))
    zero = tuple(jnp.zeros_like(part) for part in embedding)
    np.testing.assert_allclose(square(embedding), distance(embedding, zero), rtol=1e-6)


@pytest.mark.parametrize("statistic", [name for name, one in STATISTICS.items() if one.spread])
def test_spread_is_the_mean_distance_from_the_mixture(statistic):
    zero, shares, each = np.zeros(()), (0.5, 0.3, 0.2), []
    for seed, share in enumerate(shares):
        f = np.float64(features(seed, 5, 7)).reshape(-1, 6)
        each.append(Moments(np.float64(share), f.mean(0), gram(f), Spread(zero, zero, zero)))
    merged = style.merge(*(Style(16, {"relu1_1": m}) for m in each)).moments["relu1_1"]
    embed, spread = STATISTICS[statistic].embed, STATISTICS[statistic].spread
    desired = sum(s * distance(embed(m), embed(merged)) for s, m in zip(shares, each, strict=True))
    np.testing.assert_allclose(spread(merged), desired, rtol=1e-10)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("dead", ["one", "all"])
def test_gradient_is_finite_where_channels_never_fire(statistic, dead):
    embed = STATISTICS[statistic].embed
    target = embed(moments_of(jnp.asarray(features(1, 5, 7))))
    alive = jnp.asarray(features(0, 8, 9))
    x = alive.at[..., 0].set(0) if dead == "one" else jnp.zeros_like(alive)
    value, gradient = jax.value_and_grad(lambda f: distance(embed(moments_of(f)), target))(x)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("level", [30.0, 300.0, 1000.0])
def test_batch_norm_of_flat_features_is_finite(level):
    flat = jnp.asarray(np.float32(level * np.ones((7, 9, 1)) * [1, 1.1, 1.3, 1.7]))
    assert all(jnp.isfinite(x).all() for x in STATISTICS["batch_norm"].embed(moments_of(flat)))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_gradient_equals_finite_differences_in_double_precision(statistic):
    embed = STATISTICS[statistic].embed
    x, y = features(0, 4, 3), features(1, 5, 7)
    target = embed(moments_of(jnp.asarray(y)))
    actual = jax.grad(lambda f: distance(embed(moments_of(f)), target))(jnp.asarray(x))
    rows, others = np.float64(x).reshape(-1, 6), np.float64(y).reshape(-1, 6)
    desired = np.zeros_like(rows)
    for i in np.ndindex(*rows.shape):
        up, down = rows.copy(), rows.copy()
        up[i] += 1e-5
        down[i] -= 1e-5
        difference = DISTANCES[statistic](up, others) - DISTANCES[statistic](down, others)
        desired[i] = difference / 2e-5
    tolerance = 1e-4 * np.abs(desired).max()
    np.testing.assert_allclose(np.reshape(actual, desired.shape), desired, rtol=0, atol=tolerance)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_embedding_has_one_number_of_channels(statistic):
    """`layer_weights` reads the channels off the first part."""
    embedding = STATISTICS[statistic].embed(moments_of(jnp.asarray(features(1, 5, 7))))
    assert embedding[0].shape[0] == 6


def test_correlation_has_a_unit_diagonal_and_no_scale():
    embed = STATISTICS["correlation"].embed
    x = jnp.asarray(features(1, 8, 9))
    (actual,), (scaled,) = embed(moments_of(x)), embed(moments_of(100 * x))
    np.testing.assert_allclose(np.diagonal(actual), 1, atol=1e-5)
    np.testing.assert_allclose(actual, scaled, atol=1e-5)
