"""The distance to all others, exactly; and who is named."""

import numpy as np
import pytest

from experiments.questions.outliers import _judged
from styleinv import outliers

X = np.random.default_rng(0).normal(1, 1, (8, 20))
SHARES = np.arange(1, 9) / 36


def rest(i):
    kept = np.arange(8) != i
    return np.average(X[kept], axis=0, weights=SHARES[kept])


def test_to_the_rest_agrees_with_leaving_each_out():
    desired = [((X[i] - rest(i)) ** 2).sum() / (rest(i) ** 2).sum() for i in range(8)]
    np.testing.assert_allclose(outliers.to_the_rest(X @ X.T, SHARES), desired, rtol=1e-10)


def test_against_the_rest_agrees_with_leaving_each_out():
    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    desired = [1 - cosine(X[i], rest(i)) for i in range(8)]
    np.testing.assert_allclose(outliers.against_the_rest(X @ X.T, SHARES), desired, rtol=1e-9)


def test_dispersion_and_shift_agree_with_means_written_out():
    kept = np.array([1, 1, 0, 1, 1, 0, 1, 1], bool)
    all_of, some = (np.average(X[k], axis=0, weights=SHARES[k]) for k in (kept | True, kept))
    apart = np.average(((X - all_of) ** 2).sum(1), weights=SHARES) / (all_of**2).sum()
    assert outliers.dispersion(X @ X.T, SHARES) == pytest.approx(apart)
    apart = np.average(((X[kept] - some) ** 2).sum(1), weights=SHARES[kept]) / (some**2).sum()
    assert outliers.dispersion(X @ X.T, np.where(kept, SHARES, 0)) == pytest.approx(apart)
    moved = ((some - all_of) ** 2).sum() / (all_of**2).sum()
    assert outliers.shift(X @ X.T, SHARES, kept) == pytest.approx(moved)


def test_limit_names_the_far_one_and_no_other():
    near = np.array([0.10, 0.11, 0.09, 0.13, 0.12, 0.08, 0.1])
    assert (near < outliers.limit(near)).all()
    for far in (0.5, 5.0, 500.0):
        values = np.append(near, far)
        np.testing.assert_array_equal(values > outliers.limit(values), [False] * 7 + [True])


def test_limit_of_equal_distances_names_nobody():
    assert (np.full(6, 0.2) < outliers.limit(np.full(6, 0.2))).all()


def test_of_pictures_equally_far_one_is_dropped():
    kernel = np.eye(4) + 1
    found = _judged(list("abcd"), np.ones(4), [kernel], np.full(4, 1 / 4))
    assert (found["outliers"], found["dropped"]) == ([], ["a"])
    assert np.isfinite([found["dispersion_without"], found["shift"]]).all()


@pytest.mark.parametrize(("far", "tolerance"), [(0, 0.1), (1000, 0.5)])
def test_limit_is_three_and_a_half_deviations_of_a_normal_distribution(far, tolerance):
    logs = np.random.default_rng(0).standard_normal(20_001)
    logs[:far] = 200
    assert np.log(outliers.limit(np.exp(logs))) == pytest.approx(3.5, abs=tolerance)
