"""Pictures are named after the right filter, by the right arithmetic, and chance is known."""

import numpy as np
import pytest

from styleinv import kernels, naming


def pictures(scenes, filters, strength, seed=0, width=30):
    """f64[scenes * filters, width]: what a scene shows, what a filter adds, and noise."""
    rng = np.random.default_rng(seed)
    content, style = rng.normal(size=(scenes, 1, width)), rng.normal(size=(1, filters, width))
    noise = 0.5 * rng.normal(size=(scenes, filters, width))
    return (2 * content + strength * style + noise).reshape(-1, width)


def named(x, scenes, filters, score=naming.nearness, **options):
    kernel = x @ x.T
    groups = naming.folds(scenes, 2, 0)
    return naming.name_makers(lambda train: kernel, score, scenes, filters, groups, **options)


def test_name_agrees_with_means_written_out():
    x = pictures(7, 3, 0.6)
    actual = named(x, 7, 3, permutations=1)
    scene, maker = np.divmod(np.arange(21), 3)
    desired = np.zeros((3, 3), int)
    for group in naming.folds(7, 2, 0):
        train = ~np.isin(scene, group)
        means = [x[train & (maker == f)].mean(0) for f in range(3)]
        for i in np.flatnonzero(~train):
            desired[maker[i], np.argmin([((x[i] - m) ** 2).sum() for m in means])] += 1
    np.testing.assert_array_equal(actual.confusion, desired)
    assert actual.accuracy == pytest.approx(np.trace(desired) / 21)


def test_alignment_is_the_cosine_with_the_mean():
    x = pictures(4, 2, 1.0) / 100
    shares = np.array([[0.5, 0, 0.5, 0, 0, 0, 0, 0], [0, 0.5, 0, 0.5, 0, 0, 0, 0]])
    means = shares @ x
    desired = means @ x.T / np.linalg.norm(means, axis=1)[:, None] / np.linalg.norm(x, axis=1)
    np.testing.assert_allclose(naming.alignment(x @ x.T, shares), desired, rtol=1e-10)


def test_name_of_filters_that_differ_is_sure():
    actual = named(pictures(8, 3, 3.0), 8, 3, permutations=199)
    assert actual.accuracy == 1
    assert actual.p == 1 / 200
    np.testing.assert_array_equal(actual.confusion, 8 * np.eye(3))


def test_name_of_filters_that_do_nothing_is_chance():
    # p is uniform where there is nothing to know: its mean is near a half, few are small.
    found = [named(pictures(6, 3, 0.0, seed), 6, 3, permutations=99) for seed in range(60)]
    p = np.array([one.p for one in found])
    assert 0.4 < p.mean() < 0.75  # ties count against us
    assert (p <= 0.05).mean() < 0.13
    assert np.mean([one.accuracy for one in found]) == pytest.approx(1 / 3, abs=0.06)
    assert np.mean([one.accuracy <= one.chance for one in found]) > 0.85


def test_name_learns_nothing_from_what_is_held_out():
    # Two filters that are told apart only by one scene: held out, it cannot help.
    x = np.zeros((12, 4))
    x[2 * 3] = 100.0
    seen = []
    groups = naming.folds(6, 1, 0)

    def kernel_of(train):
        seen.append(train.copy())
        return x @ x.T

    naming.name_makers(kernel_of, naming.nearness, 6, 2, groups, permutations=1)
    for train, group in zip(seen, groups, strict=True):
        assert not train.reshape(6, 2)[group].any()
        assert train.sum() == 10


def test_name_learns_anew_from_every_shuffle():
    learned = []

    def score(kernel, shares):
        learned.append(shares)
        return naming.nearness(kernel, shares)

    named(pictures(6, 3, 0.0), 6, 3, score, permutations=5)
    assert len(learned) == 3 * (1 + 5)


@pytest.mark.parametrize("scenes", [5, 6, 9])
def test_folds_hold_every_scene_out_once(scenes):
    groups = naming.folds(scenes, 3, seed=1)
    assert sorted(np.concatenate(groups)) == list(range(scenes))
    assert max(map(len, groups)) == 3


def test_folds_are_drawn_by_the_seed():
    assert len({tuple(map(tuple, naming.folds(9, 3, seed))) for seed in range(4)}) > 1


@pytest.mark.parametrize("held_out", [0, 4, 5])
def test_folds_leave_something_to_learn_from(held_out):
    with pytest.raises(ValueError, match="cannot be held out"):
        naming.folds(4, held_out, 0)


def test_balanced_gives_each_layer_the_mean_square_of_what_is_learned_from():
    x, y = pictures(2, 2, 1.0), 100 * pictures(2, 2, 1.0, seed=1)
    train = np.array([True, True, False, True])
    units = [z / np.sqrt((z[train] ** 2).sum(1).mean()) for z in (x, y)]
    actual = naming.balanced({"a": x @ x.T, "b": y @ y.T}, train)
    np.testing.assert_allclose(actual, sum(u @ u.T for u in units), rtol=1e-9)


def test_displacements_and_directions_agree_with_vectors():
    x = pictures(4, 2, 1.0)
    moved = x[[0, 2, 4]] - x[[1, 3, 7]]
    actual = kernels.displacements(x @ x.T, np.array([0, 2, 4]), np.array([1, 3, 7]))
    np.testing.assert_allclose(actual, moved @ moved.T, rtol=1e-9)
    unit = moved / np.linalg.norm(moved, axis=1)[:, None]
    both = kernels.directions({"a": actual, "b": 4 * actual})
    np.testing.assert_allclose(both, unit @ unit.T, rtol=1e-9)
