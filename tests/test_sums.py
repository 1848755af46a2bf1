"""Sums of moments in float64: what `style.merge` gives, without drift."""

import numpy as np
import pytest

from styleinv import style
from styleinv.measuring.batch_moments import BatchMoments
from styleinv.measuring.sums import Sums
from styleinv.style import Moments, Spread, Style

KEY = ("all", 16, "pixels")


def empty():
    return Sums.empty(["all"], [16], ["pixels"])


def cloud(seed):
    """(mean, second, squares) of one image."""
    rows = np.random.default_rng(seed).uniform(0, 2, (50, 3))
    mean, second = rows.mean(0), rows.T @ rows / 50
    squares = [(x**2).sum() for x in (mean, second, style.shifted(mean, second))]
    return mean, second, np.array(squares)


def batch_of(seeds, weights):
    """What a device gives for images of those weights."""
    shares = np.array(weights) / np.sum(weights)
    means, seconds, squares = zip(*map(cloud, seeds), strict=True)
    return BatchMoments(
        sum(s * x for s, x in zip(shares, means, strict=True)),
        sum(s * x for s, x in zip(shares, seconds, strict=True)),
        np.stack(squares),
    )


def merged(seeds, weights):
    zero = np.zeros(())
    return style.merge(
        *(
            Style(16, {"pixels": Moments(np.float64(w), *cloud(k)[:2], Spread(zero, zero, zero))})
            for k, w in zip(seeds, weights, strict=True)
        )
    ).moments["pixels"]


def assert_equal(actual, desired):
    assert actual.weight == pytest.approx(desired.weight)
    np.testing.assert_allclose(actual.mean, desired.mean, rtol=1e-13)
    np.testing.assert_allclose(actual.second, desired.second, rtol=1e-13)
    np.testing.assert_allclose(actual.spread, desired.spread, rtol=1e-11)


def test_batches_add_up_to_what_merge_gives():
    sums = empty()
    sums.add_batch(KEY, np.array([1.0, 2.0]), batch_of((0, 1), (1, 2)))
    assert_equal(sums.styles()["all"][16].moments["pixels"], merged(range(2), (1, 2)))
    sums.add_batch(KEY, np.array([0.5, 0.5, 4.0]), batch_of((2, 3, 4), (0.5, 0.5, 4)))
    actual = sums.styles()["all"][16].moments["pixels"]
    assert_equal(actual, merged(range(5), (1, 2, 0.5, 0.5, 4)))


def test_parts_add_up_to_the_whole():
    one, other = empty(), empty()
    one.add_batch(KEY, np.array([1.0, 2.0]), batch_of((0, 1), (1, 2)))
    other.add_batch(KEY, np.array([4.0]), batch_of((2,), (4,)))
    one.add(other)
    assert_equal(one.styles()["all"][16].moments["pixels"], merged(range(3), (1, 2, 4)))


def test_one_image_has_no_spread():
    sums, found = empty(), batch_of((0,), (1,))
    rounded = BatchMoments(found.mean, found.second, found.squares * (1 + 1e-6))
    sums.add_batch(KEY, np.array([3.0]), rounded)
    assert sums.styles()["all"][16].moments["pixels"].spread == (0, 0, 0)


def test_one_image_in_a_batch_that_was_filled_up_has_no_spread():
    sums, found = empty(), batch_of((0,), (1,))
    squares = np.concatenate([found.squares * (1 + 1e-6), np.zeros((1, 3))])
    sums.add_batch(KEY, np.array([3.0, 0.0]), BatchMoments(found.mean, found.second, squares))
    assert sums.styles()["all"][16].moments["pixels"].spread == (0, 0, 0)


def test_a_spread_is_never_negative():
    sums, found = empty(), batch_of((0,), (1,))
    rounded = BatchMoments(found.mean, found.second, found.squares * (1 - 1e-6))
    for _ in range(2):
        sums.add_batch(KEY, np.array([1.0]), rounded)
    assert sums.styles()["all"][16].moments["pixels"].spread == (0, 0, 0)


def test_no_image_is_unknown():
    sums, none = empty(), batch_of((0,), (1,))
    sums.add_batch(KEY, np.array([0.0]), none)
    moments = sums.styles()["all"][16].moments["pixels"]
    assert moments.weight == 0
    assert moments.spread == (0, 0, 0)
    assert not moments.second.any()


def test_two_hundred_thousand_images_do_not_drift():
    """Features far from zero, in batches of float32 as a device gives them."""
    size, count, generator = 50, 200_000, np.random.default_rng(0)
    sums, weights, every = empty(), np.ones(size), []
    for _ in range(count // size):
        means = (1000 + generator.standard_normal((size, 3))).astype(np.float32)
        exact = means.astype(np.longdouble)  # one position an image: its second moment is m m^T
        every.append(exact)
        second = np.einsum("bi,bj->ij", exact, exact) / size
        norm = (exact**2).sum(1)
        shifted = ((exact - 1) ** 2).sum(1)
        found = BatchMoments(
            exact.mean(0).astype(np.float32),
            second.astype(np.float32),
            np.stack([norm, norm**2, shifted**2], 1).astype(np.float32),
        )
        sums.add_batch(KEY, weights, found)
    moments = sums.styles()["all"][16].moments["pixels"]
    rows = np.concatenate(every)
    second = (rows.T @ rows) / count
    assert moments.weight == count
    np.testing.assert_allclose(moments.mean, rows.mean(0).astype(np.float64), rtol=3e-8)
    np.testing.assert_allclose(moments.second, second.astype(np.float64), rtol=3e-8)
    norm = float((second**2).sum())
    spread = float(((rows**2).sum(1) ** 2).mean() - (second**2).sum())
    assert abs(moments.spread.gram - spread) < 1e-7 * norm
