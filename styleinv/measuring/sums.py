"""Weighted sums of moments in float64: what a pass over a dataset keeps, whatever its size.

Sums of parts of a dataset simply add up. A `Style` is their quotient. In float64 the difference of
sums of squares that is its spread is exact to 1e-16 of them; what limits it are the single images'
squares, float32 in which a device had them.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from styleinv.measuring.batch_moments import BatchMoments
from styleinv.style import Moments, Spread, Style, shifted
from styleinv.vgg import layer_channels

Key = tuple[str, int, str]  # region, resolution, layer


class Sums:
    """Of each region, resolution and layer.

    Attributes:
        tensors: {key: {"weight": f64[2], "mean": f64[c], "second": f64[c, c], "squares": f64[3]}};
            the weight, and how many images have one; sums of moments; sums of squared norms.
    """

    def __init__(self, tensors: Mapping[Key, Mapping[str, np.ndarray]]):
        self.tensors = {key: dict(each) for key, each in tensors.items()}

    @classmethod
    def empty(
        cls, regions: Iterable[str], resolutions: Iterable[int], layers: Iterable[str]
    ) -> "Sums":
        """The sums of nothing."""
        keys = [(r, p, k) for r in regions for p in resolutions for k in layers]
        return cls({key: _zeros(layer_channels(key[2])) for key in keys})

    @property
    def regions(self) -> list[str]:
        """Each once, in the order in which they were given."""
        return list(dict.fromkeys(region for region, *_ in self.tensors))

    def add_batch(self, key: Key, weights: np.ndarray, found: BatchMoments) -> None:
        """Adds what was found of images that weigh f64[b]."""
        own, total = self.tensors[key], weights.sum()
        own["weight"] += total, np.count_nonzero(weights)
        own["mean"] += total * np.asarray(found.mean, np.float64)
        own["second"] += total * np.asarray(found.second, np.float64)
        own["squares"] += weights @ np.asarray(found.squares, np.float64)

    def add(self, other: "Sums") -> None:
        """Adds the sums of other images."""
        for key, own in self.tensors.items():
            for name, array in own.items():
                array += other.tensors[key][name]

    def styles(self) -> dict[str, dict[int, Style]]:
        """{region: {resolution: style}}; what no image had is unknown, of weight 0."""
        found: dict[str, dict[int, dict[str, Moments]]] = {}
        for (region, resolution, layer), own in self.tensors.items():
            found.setdefault(region, {}).setdefault(resolution, {})[layer] = _moments(own)
        return {
            region: {resolution: Style(resolution, each) for resolution, each in own.items()}
            for region, own in found.items()
        }


def _zeros(channels: int) -> dict[str, np.ndarray]:
    return {
        "weight": np.zeros(2),
        "mean": np.zeros(channels),
        "second": np.zeros((channels, channels)),
        "squares": np.zeros(3),
    }


def _moments(own: Mapping[str, np.ndarray]) -> Moments:
    weight, count = own["weight"]
    share = weight or 1.0
    mean, second = own["mean"] / share, own["second"] / share
    of_mixture = [(x**2).sum() for x in (mean, second, shifted(mean, second))]
    # One image does not disagree with itself, not even by a rounding.
    distances = np.maximum(0, own["squares"] / share - of_mixture) * (count > 1)
    return Moments(weight, mean, second, Spread(*distances))
