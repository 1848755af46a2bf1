"""Samples of many sizes -> batches of one size each, in an order that follows from theirs alone."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from styleinv.measuring.batch_moments import Counted
from styleinv.measuring.sample import Sample
from styleinv.vgg import layer_stride


class Batches:
    """Gathers samples of equal shapes until there are enough of them.

    Args:
        size: samples in a full batch.
        most: samples that may wait; beyond, the largest incomplete batch goes as it is.
    """

    def __init__(self, size: int, most: int):
        self._size, self._most = size, most
        self._waiting: dict[tuple, list[Sample]] = {}

    @property
    def pending(self) -> list[int]:
        """The indices of those that wait, in the order that they must come in again."""
        return sorted(sample.index for each in self._waiting.values() for sample in each)

    def add(self, sample: Sample) -> list[Sample]:
        """The batch that is ready by now, or nothing."""
        own = self._waiting.setdefault(sample.shapes, [])
        own.append(sample)
        if len(own) == self._size:
            return self._waiting.pop(sample.shapes)
        if sum(map(len, self._waiting.values())) > self._most:
            return self._waiting.pop(self._fullest())
        return []

    def rest(self) -> Iterator[list[Sample]]:
        """The incomplete batches, once no sample will come any more."""
        while self._waiting:
            yield self._waiting.pop(self._fullest())

    def _fullest(self) -> tuple:
        """Of equally full ones, that of the oldest sample."""
        return min(self._waiting, key=lambda k: (-len(self._waiting[k]), self._waiting[k][0].index))


def stack(
    samples: Sequence[Sample],
    weights: np.ndarray,
    resolution: int,
    layers: Sequence[str],
    size: int,
) -> tuple[np.ndarray, dict[str, Counted | dict[str, Counted]], dict[str, dict[str, np.ndarray]]]:
    """(f32[size, h, w, 3], what counts of it, {region: {layer: f64[size]}}: what each weighs).

    Args:
        weights: f64[b], one for each sample; those that fill up the batch weigh nothing.
    """
    views = [sample.views[resolution] for sample in samples]
    images = _fill([view.image for view in views], size)
    counted, weighed = {}, {}
    for region in views[0].masks:
        masks = [view.masks[region] for view in views]
        if all(mask is None for mask in masks):
            own = _fill(weights, size)
            counted[region] = Counted(_shares(own))
            weighed[region] = dict.fromkeys(layers, own)
            continue
        counted[region], weighed[region] = {}, {}
        for layer in layers:
            height, width = (side // layer_stride(layer) for side in images.shape[1:3])
            here = [_positions(mask, layer, (height, width)) for mask in masks]
            own = _fill(weights * [bool(each.any()) for each in here], size)
            counted[region][layer] = Counted(_shares(own), _fill(here, size))
            weighed[region][layer] = own
    return images, counted, weighed


def _positions(
    mask: Mapping[str, np.ndarray] | None, layer: str, shape: tuple[int, int]
) -> np.ndarray:
    """f32[h_l, w_l] that sums to 1; zeros where the region has no position."""
    found = np.ones(shape, np.float32) if mask is None else mask.get(layer)
    if found is None:
        return np.zeros(shape, np.float32)
    return (found / found.sum(dtype=np.float64)).astype(np.float32)


def _shares(weights: np.ndarray) -> np.ndarray:
    """f64[b] -> f32[b] that sums to 1, or is zero."""
    return (weights / (weights.sum() or 1)).astype(np.float32)


def _fill(arrays: Sequence[np.ndarray] | np.ndarray, size: int) -> np.ndarray:
    """Stacked, and zeros up to the size."""
    found = np.stack(list(arrays))
    return np.concatenate([found, np.zeros((size - len(found), *found.shape[1:]), found.dtype)])
