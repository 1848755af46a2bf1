"""The change of a filter: exact algebra on small moments, and real pairs."""

from dataclasses import replace
from functools import reduce
from itertools import starmap

import numpy as np
import pytest

from styleinv import change, images
from styleinv.gains import split, unsplit
from styleinv.statistics import STATISTICS, distance, square
from styleinv.style import Moments, Spread, Style, measure, mix

LAYERS = ("relu1_1", "relu2_1")
_ZERO = np.zeros(())


def style(seed, *, gain=1.0, mixing=None, channels=5):
    """Moments of 40 features that are positive, as after a relu."""
    random = np.random.default_rng(seed)
    moments = {}
    for layer in LAYERS:
        features = np.abs(random.normal(size=(40, channels))) ** 3
        features = features @ (np.eye(channels) + 0.2 * random.uniform(size=(channels, channels)))
        features = gain * (features if mixing is None else features @ mixing)
        second = features.T @ features / 40
        moments[layer] = Moments(1.0, features.mean(0), second, Spread(_ZERO, _ZERO, _ZERO))
    return Style(64, moments)


def pairs(count, **filter_):
    return [(style(seed), style(seed, **filter_), 1.0) for seed in range(count)]


def noisy(count):
    """Pairs of which the filtered follow the originals only in part."""
    together = [(style(i), style(i, gain=2.0), style(100 + i), 1.0) for i in range(count)]
    return [(x, mix([f, other]), weight) for x, f, other, weight in together]


def learn(pairs):
    """The change in several (original, filtered, weight)."""
    return reduce(change.merge, starmap(change.learn, pairs))


def assert_same(actual, desired, rtol=1e-9):
    for layer in desired.layers:
        a, d = actual.moments[layer], desired.moments[layer]
        np.testing.assert_allclose(a.mean, d.mean, rtol=rtol)
        np.testing.assert_allclose(a.second, d.second, rtol=rtol)


def test_unsplit_gives_back_what_was_split():
    desired = style(0).moments["relu1_1"]
    mean, second = unsplit(*split(desired))
    np.testing.assert_allclose(mean, desired.mean, rtol=1e-12)
    np.testing.assert_allclose(second, desired.second, rtol=1e-12)


def test_split_of_a_channel_that_never_fires_is_finite():
    mean, second = np.array([1.0, 0.0]), np.diag([2.0, 0.0])
    gain, correlation = split(Moments(1.0, mean, second, Spread(_ZERO, _ZERO, _ZERO)))
    np.testing.assert_allclose(gain, [2**0.5, 0, 1])
    np.testing.assert_allclose(correlation, [[1, 0, 0.5**0.5], [0, 1, 0], [0.5**0.5, 0, 1]])


def test_unsplit_makes_impossible_correlations_possible():
    correlation = np.full((4, 4), -0.9) + 1.9 * np.eye(4)
    mean, second = unsplit(np.array([1.0, -0.1, 2.0, 1.0]), correlation)
    np.testing.assert_allclose(np.diagonal(second), [1, 0, 4], atol=1e-12)
    assert np.linalg.eigvalsh(second - np.outer(mean, mean))[0] > -1e-9


@pytest.mark.parametrize("count", [1, 2, 5])
def test_predict_of_no_change_is_the_original(count):
    identity = learn(pairs(count))
    if count == 1:  # one pair fits nothing: only the pair's own picture is sure
        assert_same(change.predict(identity, style(0)), style(0))
    else:
        assert_same(change.predict(identity, style(9)), style(9), rtol=1e-6)


def test_predict_of_a_filter_with_one_outcome_is_that_outcome():
    constant = learn((style(i), style(77), 1.0) for i in range(4))
    assert_same(change.predict(constant, style(9)), style(77), rtol=1e-6)


def test_predict_of_a_gain_follows_the_original():
    """Twice the contrast is not a displacement, but far nearer to one than to a constant."""
    learned = learn(pairs(8, gain=2.0))
    mean = mix(f for _, f, _ in pairs(8, gain=2.0))
    for seed in (20, 21, 22):
        desired, actual = style(seed, gain=2.0), change.predict(learned, style(seed))
        for layer in LAYERS:
            wanted = desired.moments[layer].second
            error = ((actual.moments[layer].second - wanted) ** 2).sum()
            assert error < 0.5 * ((mean.moments[layer].second - wanted) ** 2).sum()


def test_predict_keeps_the_weight_and_has_no_spread():
    one = style(9)
    heavy = replace(one, moments={k: m._replace(weight=3.0) for k, m in one.moments.items()})
    predicted = change.predict(learn(noisy(3)), heavy).moments["relu1_1"]
    assert (predicted.weight, predicted.spread) == (3.0, Spread(0, 0, 0))


def test_predict_of_what_is_followed_and_doubted_in_full_is_the_original(monkeypatch):
    monkeypatch.setattr(change, "reliance", lambda *_: (1.0, 1.0))
    assert_same(change.predict(learn(noisy(3)), style(9)), style(9))


def test_predict_is_possible():
    predicted = change.predict(learn(noisy(3)), style(9, gain=0.01))
    for moments in predicted.moments.values():
        covariance = moments.second - np.outer(moments.mean, moments.mean)
        assert np.linalg.eigvalsh(covariance)[0] > -1e-9 * np.trace(moments.second)


def test_merge_of_parts_is_the_whole():
    whole = noisy(7)
    actual = change.merge(learn(whole[:2]), learn(whole[2:]))
    desired = learn(whole[::-1])
    assert (actual.weight, actual.squares) == (desired.weight, desired.squares)
    for layer in LAYERS:
        for a, d in zip(actual.layers[layer], desired.layers[layer], strict=True):
            for x, y in zip(a, d, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-10)


def test_weights_count_only_relative_to_each_other():
    light, heavy = (
        learn((x, f, w * scale) for (x, f, _), w in zip(noisy(4), (1, 2, 1, 3), strict=True))
        for scale in (1, 10)
    )
    assert light.pairs == pytest.approx(heavy.pairs)
    assert light.pairs == pytest.approx(49 / 15)
    assert_same(change.predict(light, style(9)), change.predict(heavy, style(9)))


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("part", [0, 1], ids=change.LayerChange._fields)
def test_reliance_is_the_best_of_leaving_each_pair_out(count, part):
    several = noisy(count)
    xs = np.array([split(x.moments["relu1_1"])[part].ravel() for x, _, _ in several])
    fs = np.array([split(f.moments["relu1_1"])[part].ravel() for _, f, _ in several])

    def error(follow, doubt):
        total = 0.0
        for i in range(count):
            x, f = (np.delete(one, i, axis=0).mean(0) for one in (xs, fs))
            total += ((fs[i] - f - follow * (xs[i] - x) - doubt * (x - f)) ** 2).sum()
        return total

    joint = learn(several).layers["relu1_1"][part]
    actual = change.reliance(change.LayerChange._fields[part], joint, count)
    grid = np.linspace(0, 1, 41)
    best = min((error(b, e), b, e) for b in grid for e in grid)
    assert error(*actual) <= best[0] * (1 + 1e-12)
    np.testing.assert_allclose(actual, best[1:], atol=0.1)


@pytest.mark.parametrize("count", [1, 1.2])
def test_reliance_on_less_than_two_pairs_is_that_on_one(count):
    for name, joint in learn(noisy(3)).layers["relu1_1"]._asdict().items():
        desired = {"gain": (0.75, 0.5), "correlation": (0.75, 0.75)}[name]
        assert change.reliance(name, joint, count) == desired


def test_agreement_is_highest_for_the_filter_that_made_the_picture():
    mixings = [np.eye(5) + np.roll(np.eye(5), shift, axis=1) for shift in (1, 2)]
    changes = [learn(pairs(4, mixing=m)) for m in mixings]
    for i, mixing in enumerate(mixings):
        made = style(30, mixing=mixing)
        found = [change.agreements(one, style(30), [style(9), made])[1] for one in changes]
        assert np.argmax(found) == i
        assert found[i] > 0.8


def test_agreement_is_the_mean_over_the_layers():
    mixing = np.eye(5) + np.roll(np.eye(5), 1, axis=1)
    original, made = style(30), style(30, mixing=mixing)
    half = replace(made, moments=dict(made.moments) | {LAYERS[1]: original.moments[LAYERS[1]]})
    first, both = change.agreements(learn(pairs(4, mixing=mixing)), original, [half, made])
    assert 0.4 * both < first < 0.6 * both


def test_agreement_of_a_picture_that_nothing_was_done_to_is_zero():
    assert change.agreements(learn(noisy(3)), style(9), [style(9)]) == [0]


def test_styles_of_different_resolutions_are_refused():
    learned = learn(noisy(2))
    with pytest.raises(ValueError, match=r"64 px .* at 32 px do not go together"):
        change.predict(learned, replace(style(0), resolution=32))
    with pytest.raises(ValueError, match="measure both alike"):
        change.agreements(learned, style(0), [replace(style(0), resolution=32)])
    with pytest.raises(ValueError, match="measure both alike"):
        change.learn(style(0), replace(style(0), resolution=32), 1.0)
    with pytest.raises(ValueError, match="measure both alike"):
        change.merge(learned, replace(learned, resolution=32))


def test_real_filter_is_predicted_better_than_by_its_mean_or_by_the_original(network, shared):
    layers = ("relu1_1", "relu2_1", "relu3_1")
    names = sorted(path.name for path in (shared / "originals").iterdir())

    def measured(folder, name):
        image = images.resize(images.read(shared / folder / name), 128, 128)
        return measure(network, image, layers, resolution=128)

    both = [tuple(measured(folder, name) for folder in ("originals", "filtered")) for name in names]
    learned = learn((x, f, 1.0) for x, f in both[:6])
    mean = mix(f for _, f in both[:6])

    for statistic in ("gram", "correlation", "mmd_linear"):
        embed = STATISTICS[statistic].embed
        errors = np.zeros((3, len(layers)))
        for original, filtered in both[6:]:
            for i, guess in enumerate((change.predict(learned, original), mean, original)):
                for j, layer in enumerate(layers):
                    wanted = embed(filtered.moments[layer])
                    errors[i, j] += distance(embed(guess.moments[layer]), wanted) / square(wanted)
        ours, by_mean, by_original = errors.mean(1) / 4
        assert ours < 0.85 * min(by_mean, by_original), statistic
    other = learn((f, x, 1.0) for x, f in both[:6])  # what would undo the filter
    for original, filtered in both[6:]:
        right, wrong = (change.agreements(one, original, [filtered])[0] for one in (learned, other))
        assert right > 0.2
        assert right > 2 * wrong
