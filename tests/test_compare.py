"""Distances between styles, against formulas written out in float64."""

import numpy as np

from styleinv import compare, intervals
from styleinv.statistics import STATISTICS
from styleinv.style import Moments, Spread, Style

LAYERS = ("relu1_1", "relu1_2")


def style_of(seed):
    rng = np.random.default_rng(seed)
    moments = {}
    for layer in LAYERS:
        f = np.abs(rng.normal(size=(50, 64)))
        spread = Spread(np.zeros(()), np.zeros(()), np.zeros(()))
        moments[layer] = Moments(np.ones(()), f.mean(0), f.T @ f / 50, spread)
    return Style(64, moments)


def test_distances_agree_with_the_formulas():
    a, b = style_of(0), style_of(1)
    actual = compare.distances(a, b)
    assert list(actual) == list(STATISTICS)
    for layer in LAYERS:
        p, q = a.moments[layer], b.moments[layer]
        desired = {"gram": (p.second, q.second), "mmd_linear": (p.mean, q.mean)}
        gains = [np.sqrt(np.diag(m.second)) for m in (p, q)]
        desired["correlation"] = tuple(
            m.second / np.outer(g, g) for m, g in zip((p, q), gains, strict=True)
        )
        for name, (x, y) in desired.items():
            expected = ((x - y) ** 2).sum() / (y**2).sum()
            np.testing.assert_allclose(actual[name][layer], expected, rtol=1e-4)


def test_distances_from_itself_are_zero():
    totals = compare.totals(compare.distances(style_of(0), style_of(0), LAYERS[:1]))
    assert max(totals.values()) < 1e-12


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [intervals.mean_of(rng.normal(2, 1, 40).tolist()) for _ in range(100)]
    assert 0.86 < np.mean([one.low < 2 < one.high for one in found]) < 1
    widths = np.array([one.high - one.low for one in found])
    # Of 95 percent; of 90 they would be narrower by a sixth. Resampling loses a share of 1 / 80.
    np.testing.assert_allclose(widths.mean(), 2 * 1.96 / 40**0.5, rtol=0.05)


def test_ratio_is_paired():
    found = intervals.ratio_of([1.0, 10.0, 100.0], [2.0, 20.0, 200.0])
    np.testing.assert_allclose(found, 0.5)
    np.testing.assert_allclose(intervals.ratio_of([1.0, 4.0], [2.0, 2.0]).mean, 1)  # geometric
    for values in ([1.0, 0.0], [2.0, 2.0]), ([2.0, 2.0], [0.0, 1.0]):  # whose logarithm is none
        assert intervals.ratio_of(*values) == (None, None, None)
    assert intervals.mean_of([3.0]) == (3.0, None, None)
