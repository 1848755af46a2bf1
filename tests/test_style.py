"""Moments of features, against float64 NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleinv import strips, style
from styleinv.style import Moments, Spread, Style

LAYERS = ("pixels", "relu1_1", "relu3_1")


def cloud(seed, height=9, width=7, channels=5):
    """Features as they come out of a ReLU, of very different sizes."""
    generator = np.random.default_rng(seed)
    scale = 10.0 ** np.arange(channels)[::-1]
    return np.maximum(scale * generator.standard_normal((height, width, channels)), 0)


def moments_of(features, mask=None):
    """(mean, second moment) of one layer of one image."""
    shares = style.shares_of({"": mask if mask is None else {"relu1_1": mask}}, ("relu1_1",))
    return strips.measure_features({"relu1_1": features}, shares)[""]["relu1_1"]


def weighted(features, mask):
    """(mean, second moment) in float64, position by position."""
    rows = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    share = np.ravel(mask) / np.sum(mask)
    mean = sum(s * row for s, row in zip(share, rows, strict=True))
    return mean, sum(s * np.outer(row, row) for s, row in zip(share, rows, strict=True))


def assert_close(actual, desired, tolerance=1e-5):
    """Relative to the largest value."""
    desired = np.asarray(desired)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=tolerance * abs(desired).max())


@pytest.mark.parametrize("shape", [(9, 7), (1, 1), (32, 64)])
def test_moments_equal_numpy(shape):
    features = cloud(0, *shape)
    mean, second = moments_of(jnp.float32(features))
    rows = features.reshape(-1, 5)
    np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(second, rows.T @ rows / len(rows), rtol=1e-5)


def test_moments_of_real_features_equal_numpy(network, painting):
    features = jax.jit(lambda net, x: net(x, ("relu1_1", "relu4_1")))(network, painting(1, 64, 64))
    for x in features.values():
        mean, second = moments_of(x)
        rows = np.asarray(x, np.float64).reshape(-1, x.shape[2])
        assert_close(mean, rows.mean(0), 1e-6)
        assert_close(second, rows.T @ rows / len(rows), 1e-6)


def test_moments_under_a_mask_equal_numpy():
    features, mask = cloud(1), np.random.default_rng(1).uniform(size=(9, 7))
    actual = moments_of(jnp.float32(features), jnp.float32(mask))
    for a, d in zip(actual, weighted(features, mask), strict=True):
        np.testing.assert_allclose(a, d, rtol=1e-5)


def test_moments_under_a_mask_of_ones_are_those_without():
    features = jnp.float32(cloud(2))
    masked = moments_of(features, jnp.ones((9, 7)))
    for a, d in zip(masked, moments_of(features), strict=True):
        np.testing.assert_allclose(a, d, rtol=1e-6)


def test_moments_do_not_depend_on_the_area_of_the_mask():
    """A picture twice as wide, of which the mask leaves the first half, is that half."""
    features = cloud(3)
    wide = jnp.float32(np.concatenate([features, cloud(4)], axis=1))
    mask = jnp.float32(np.repeat([[1.0] * 7 + [0.0] * 7], 9, axis=0))
    desired = moments_of(jnp.float32(features))
    for scale in (1.0, 0.25):
        for a, d in zip(moments_of(wide, scale * mask), desired, strict=True):
            np.testing.assert_allclose(a, d, rtol=1e-5)


def test_measure_is_in_double_precision_on_the_host(network, painting):
    measured = style.measure(network, painting(1, 32, 32), LAYERS, resolution=32, weight=3)
    assert measured.layers == LAYERS
    for moments in measured.moments.values():
        assert {np.asarray(x).dtype for x in jax.tree.leaves(moments)} == {np.dtype(np.float64)}
        assert moments.weight == 3
        assert moments.spread == (0, 0, 0)
    pixels = measured.moments["pixels"]
    np.testing.assert_allclose(pixels.mean, painting(1, 32, 32).mean((0, 1)), rtol=1e-5)


def test_measure_of_a_layer_without_a_mask_is_unknown(shallow, painting):
    masks, layers = {"relu1_1": jnp.ones((16, 16))}, ("relu1_1", "relu2_1")
    measured = style.measure(shallow, painting(1, 16, 16), layers, resolution=16, masks=masks)
    assert [measured.moments[layer].weight for layer in layers] == [1, 0]


def made(seed, weight, channels=6):
    """The style of one image that never was."""
    rows = np.random.default_rng(seed).uniform(0, 2, (50, channels))
    zero = np.zeros(())
    moments = Moments(
        np.float64(weight), rows.mean(0), rows.T @ rows / 50, Spread(zero, zero, zero)
    )
    return Style(64, {"relu1_1": moments})


def assert_equal_styles(actual, desired, tolerance):
    for a, d in zip(jax.tree.leaves(actual.moments), jax.tree.leaves(desired.moments), strict=True):
        np.testing.assert_allclose(a, d, rtol=tolerance)


WEIGHTS = (0.5, 2.0, 1.0, 3.5)
FOUR = [made(seed, weight) for seed, weight in enumerate(WEIGHTS)]


@pytest.mark.parametrize("order", tuple(itertools.permutations(range(4))))
def test_merge_does_not_depend_on_the_order(order):
    assert_equal_styles(style.merge(*(FOUR[i] for i in order)), style.merge(*FOUR), 1e-12)


def test_merge_does_not_depend_on_the_grouping():
    a, b, c, d = FOUR
    actual = style.merge(style.merge(a, b), style.merge(c, d))
    assert_equal_styles(actual, style.merge(*FOUR), 1e-12)
    assert_equal_styles(style.mix(iter(FOUR)), style.merge(*FOUR), 1e-15)


def test_merge_weighs_the_images_and_sums_up_their_spread():
    merged = style.merge(*FOUR).moments["relu1_1"]
    ones = [one.moments["relu1_1"] for one in FOUR]
    share = np.array(WEIGHTS) / sum(WEIGHTS)

    def mean(values):
        return sum(s * x for s, x in zip(share, values, strict=True))

    def spread(values):
        return mean([((x - mean(values)) ** 2).sum() for x in values])

    means, seconds = [m.mean for m in ones], [m.second for m in ones]
    # Novak & Nikulin 2016: the Gram of activations less one.
    shifted = [s - m[:, None] - m[None, :] + 1 for m, s in zip(means, seconds, strict=True)]
    assert merged.weight == sum(WEIGHTS)
    np.testing.assert_allclose(merged.mean, mean(means), rtol=1e-12)
    np.testing.assert_allclose(merged.second, mean(seconds), rtol=1e-12)
    np.testing.assert_allclose(merged.spread.mean, spread(means), rtol=1e-12)
    np.testing.assert_allclose(merged.spread.gram, spread(seconds), rtol=1e-12)
    np.testing.assert_allclose(merged.spread.shifted_gram, spread(shifted), rtol=1e-12)


def test_merge_of_twice_the_same_image_is_that_image():
    actual = style.merge(FOUR[0], FOUR[0]).moments["relu1_1"]
    desired = FOUR[0].moments["relu1_1"]
    np.testing.assert_array_equal(actual.mean, desired.mean)
    np.testing.assert_array_equal(actual.second, desired.second)
    assert actual.spread == (0, 0, 0)


def test_merge_of_what_nobody_has_is_unknown():
    nothing = Style(16, {"relu1_1": style.unknown(64)})
    assert style.merge(nothing, nothing).moments["relu1_1"].weight == 0


def test_merge_of_many_images_does_not_drift():
    count, generator = 2_000, np.random.default_rng(0)
    means = (1000 + generator.standard_normal((count, 1))).astype(np.float32).astype(np.float64)
    zero = np.zeros(())
    nothing = Spread(zero, zero, zero)
    mixed = style.mix(
        Style(8, {"pixels": Moments(np.float64(1), mean, mean[:, None] ** 2, nothing)})
        for mean in means
    ).moments["pixels"]
    squares = means.astype(np.longdouble) ** 2
    np.testing.assert_allclose(mixed.weight, count)
    np.testing.assert_allclose(mixed.mean[0], float(means.mean(dtype=np.longdouble)), rtol=1e-13)
    np.testing.assert_allclose(mixed.second[0, 0], float(squares.mean()), rtol=1e-13)
    np.testing.assert_allclose(mixed.spread.mean, means.var(), rtol=1e-10)
    np.testing.assert_allclose(mixed.spread.gram, float(squares.var()), rtol=1e-9)


@pytest.mark.parametrize(
    "other",
    [Style(32, FOUR[0].moments), Style(64, {"relu2_1": FOUR[0].moments["relu1_1"]})],
    ids=["resolution", "layers"],
)
def test_merge_refuses_styles_of_two_kinds(other):
    with pytest.raises(ValueError, match=r"cannot merge a style .* at \d+ px; measure both alike"):
        style.merge(FOUR[0], other)
