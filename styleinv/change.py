"""The change that a filter makes, learned from pairs (original, filtered) as statistics.

    learn(original, filtered, weight) -> Change of one pair;   merge(a, b) -> Change of both
    predict(change, original) -> Style of the filtered picture

Moments are those of the features with a constant 1 appended, which joins mean and second moment in
one matrix; that is split into gains g = sqrt(diagonal) and correlations R = S / (g g^T). Either is
predicted per layer, with X and F the means over the originals and the filtered:

    f(x) = F + follow (x - X) + doubt (X - F),        follow and doubt in [0, 1]

(0, 0) is the mean of the filtered, (1, 0) the original plus the mean displacement, (1, 1) the
original itself. The two numbers minimize the squared error of leaving one pair out, which has a
closed form in five sums. So a change is additive: `merge` of the changes learned from two sets of
pairs is the change of their union, in memory that does not depend on how many there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from styleinv.gains import split, unsplit
from styleinv.style import Moments, Spread, Style

# What one pair is not enough to fit (follow, doubt) on: the best on average over ten filters.
_ONE_PAIR = {"gain": (0.75, 0.5), "correlation": (0.75, 0.75)}


class Joint(NamedTuple):
    """How a statistic of the filtered goes with the same of the originals, by weighted averages.

    Attributes:
        original, filtered: f[...]; the means X and F.
        xx, xf, ff: f[]; mean |x - X|^2, <x - X, f - F> and |f - F|^2 over the pairs.
    """

    original: np.ndarray
    filtered: np.ndarray
    xx: float
    xf: float
    ff: float


class LayerChange(NamedTuple):
    """The change of one layer of c channels: gains f[c + 1], correlations f[c + 1, c + 1]."""

    gain: Joint
    correlation: Joint


@dataclass(frozen=True)
class Change:
    """What a filter does to pictures at one resolution.

    Attributes:
        resolution: that of the styles it was learned from.
        weight: the total weight of the pairs.
        squares: the sum of their squared weights.
        layers: {layer: LayerChange}.
    """

    resolution: int
    weight: float
    squares: float
    layers: Mapping[str, LayerChange]

    @property
    def pairs(self) -> float:
        """The effective number of pairs (Kish 1965): their number where all weigh alike."""
        return self.weight**2 / self.squares


def learn(original: Style, filtered: Style, weight: float) -> Change:
    """The change in one pair, of a weight above zero; see `merge` for more.

    Raises:
        ValueError: if they differ in resolution or layers.
    """
    _check(original.resolution, original.moments, filtered.resolution, filtered.moments)
    layers = {
        layer: LayerChange(
            *(
                Joint(x, f, 0.0, 0.0, 0.0)
                for x, f in zip(split(moments), split(filtered.moments[layer]), strict=True)
            )
        )
        for layer, moments in original.moments.items()
    }
    return Change(original.resolution, weight, weight**2, layers)


def merge(a: Change, b: Change) -> Change:
    """The change learned from the pairs of both.

    Raises:
        ValueError: if they differ in resolution or layers.
    """
    _check(a.resolution, a.layers, b.resolution, b.layers)
    weight = a.weight + b.weight
    share = b.weight / weight

    def join(p: Joint, q: Joint) -> Joint:  # Chan et al. 1983, as in style.merge
        x, f = q.original - p.original, q.filtered - p.filtered
        within = ((1 - share) * m + share * n for m, n in zip(p[2:], q[2:], strict=True))
        between = (share * (1 - share) * float((u * v).sum()) for u, v in ((x, x), (x, f), (f, f)))
        xx, xf, ff = (m + n for m, n in zip(within, between, strict=True))
        return Joint(p.original + share * x, p.filtered + share * f, xx, xf, ff)

    layers = {
        layer: LayerChange(*(join(p, q) for p, q in zip(change, b.layers[layer], strict=True)))
        for layer, change in a.layers.items()
    }
    return Change(a.resolution, weight, a.squares + b.squares, layers)


def _check(resolution: int, layers: Mapping, other_resolution: int, other: Mapping) -> None:
    if (resolution, tuple(layers)) != (other_resolution, tuple(other)):
        raise ValueError(
            f"{tuple(layers)} at {resolution} px and {tuple(other)} at {other_resolution} px do "
            "not go together; measure both alike"
        )


def reliance(name: str, joint: Joint, pairs: float) -> tuple[float, float]:
    """(follow, doubt): the least squared error when each pair is predicted by all the others.

    With a = x - X, c = f - F and q = 1 / (pairs - 1), a pair left out moves the means by -q a and
    -q c, so that its error is (1 + q) c - follow (1 + q) a - doubt (X - F - q (a - c)).
    Exact for pairs of equal weight.
    """
    if pairs < 1.5:
        return _ONE_PAIR[name]
    q = 1 / (pairs - 1)
    _, _, xx, xf, ff = joint
    apart = float(((joint.original - joint.filtered) ** 2).sum())
    cross = -(1 + q) * q * (xx - xf)
    matrix = np.array([[(1 + q) ** 2 * xx, cross], [cross, apart + q**2 * (xx - 2 * xf + ff)]])
    right = np.array([(1 + q) ** 2 * xf, (1 + q) * q * (ff - xf)])
    return _in_square(matrix, right)


def _in_square(matrix: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """The minimum of v'Mv/2 - v'r over [0, 1]^2, M positive semidefinite: inside or on an edge."""
    inside = np.linalg.lstsq(matrix, right, rcond=1e-12)[0]
    candidates = [inside] if np.all((inside >= 0) & (inside <= 1)) else []
    for free, fixed in ((0, 1), (1, 0)):
        for end in (0.0, 1.0):
            slope, rest = matrix[free, free], right[free] - matrix[free, fixed] * end
            point = np.empty(2)
            point[fixed], point[free] = end, np.clip(rest / slope, 0, 1) if slope > 0 else 0.0
            candidates.append(point)
    best = min(candidates, key=lambda v: v @ matrix @ v / 2 - v @ right)
    return float(best[0]), float(best[1])


def predict(change: Change, original: Style) -> Style:
    """The style that the filter is expected to give a picture, in float64; its spread is zero.

    Raises:
        ValueError: if the change is of another resolution or of other layers.
    """
    _check(change.resolution, change.layers, original.resolution, original.moments)
    zero = np.zeros(())
    predicted = {}
    for layer, moments in original.moments.items():
        mean, second = unsplit(*_predict(change, layer, moments))
        predicted[layer] = Moments(moments.weight, mean, second, Spread(zero, zero, zero))
    return Style(original.resolution, predicted)


def _predict(change: Change, layer: str, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Expected (gains, correlations), not yet made possible."""
    predicted = []
    for name, joint, x in zip(
        LayerChange._fields, change.layers[layer], split(moments), strict=True
    ):
        follow, doubt = reliance(name, joint, change.pairs)
        original, filtered = joint[:2]
        predicted.append(filtered + follow * (x - original) + doubt * (original - filtered))
    gain, correlation = predicted
    return gain, correlation


def agreements(change: Change, original: Style, filtered: Sequence[Style]) -> list[float]:
    """How far a picture was changed as the filter would have: 1 exactly so, 0 in another way.

    The cosine, in correlations, between filtered less original and predicted less original,
    averaged over the layers; for each of several filtered pictures of one original. Of several
    changes, the one that agrees best names the filter; with VGG19 and four pairs a filter agrees
    with its own held-out pictures by about 0.6, with others' by about 0.2, so that the order says
    more than the number.

    Raises:
        ValueError: if they are of different resolutions or layers.
    """
    _check(change.resolution, change.layers, original.resolution, original.moments)
    for one in filtered:
        _check(original.resolution, original.moments, one.resolution, one.moments)
    cosines = np.zeros((len(filtered), len(original.moments)))
    for column, (layer, moments) in enumerate(original.moments.items()):
        before = split(moments)[1]
        expected = _predict(change, layer, moments)[1] - before
        for row, one in enumerate(filtered):
            actual = split(one.moments[layer])[1] - before
            norm = np.linalg.norm(expected) * np.linalg.norm(actual)
            cosines[row, column] = (expected * actual).sum() / norm if norm > 0 else 0.0
    return cosines.mean(1).tolist()
