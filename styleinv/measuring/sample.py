"""An item as the network is to see it: at every resolution, with its masks at every layer."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from styleinv import images
from styleinv.dataset import read_masks, views_of
from styleinv.errors import InputError
from styleinv.manifest import Item
from styleinv.masks import ALL
from styleinv.regions import layer_masks
from styleinv.vgg import PIXELS, layer_names, layer_stride

Recolor = Callable[[np.ndarray, np.ndarray | None], np.ndarray]


def read_file(item: Item) -> bytes:
    """The content of its picture's file, or an InputError."""
    return images.read_bytes(item.path)


@dataclass(frozen=True)
class Plan:
    """What is measured of every item.

    Attributes:
        layers: of the network, and "pixels".
        resolutions: see `images.frame`.
        regions: "all" positions, or those of a mask, see `masks.read`.
        propagation: see `regions.layer_masks`.
        network: its layers up to the deepest asked for, or beyond.
        read: an item's picture as it is in its file; raises an InputError.
        recolor: f32[h, w, 3], f32[h, w] or None -> f32[h, w, 3], applied to every picture and the
            mask of the plan's only region.
    """

    layers: tuple[str, ...]
    resolutions: tuple[int, ...]
    regions: tuple[str, ...] = (ALL,)
    propagation: str = "soft"
    network: tuple[str, ...] = layer_names()
    recolor: Recolor | None = None
    read: Callable[[Item], bytes] = read_file


class Seen(NamedTuple):
    """f32[h, w, 3] in [0, 1], and {region: {layer: f32[h_l, w_l]}}, or None for all positions.

    A layer is missing where a region has no position.
    """

    image: np.ndarray
    masks: Mapping[str, Mapping[str, np.ndarray] | None]


class Sample(NamedTuple):
    """An item that was read.

    Attributes:
        index: its place in the dataset.
        digest: sha256 of the picture's file.
        size: (height, width) of the file.
        covered: {region: the share of the file's area that is in it}, of those with a mask.
        views: {resolution: what the network sees}.
    """

    index: int
    digest: bytes
    size: tuple[int, int]
    covered: Mapping[str, float]
    views: Mapping[int, Seen]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Samples of the same shapes can be in one batch."""
        return tuple(view.image.shape for view in self.views.values())


class Refused(NamedTuple):
    """An item that cannot be used, and why, in one line."""

    index: int
    reason: str


def read_sample(index: int, item: Item, plan: Plan) -> Sample | Refused:
    """Reads the item's file, once, and its masks."""
    try:
        content = plan.read(item)
        image = images.decode(content, item.path)
        digest, (height, width, _) = hashlib.sha256(content).digest(), image.shape
        inside = read_masks(item, plan.regions, (height, width))
        image = plan.recolor(image, *inside.values()) if plan.recolor else image
        covered = {region: float(m.mean()) for region, m in inside.items() if m is not None}
        views = {}
        for resolution, view in views_of(image, inside, plan.resolutions).items():
            _refuse_narrow(view.image, plan.layers, item)
            masks = {
                region: None if mask is None else _masks(mask, item, plan)
                for region, mask in view.masks.items()
            }
            views[resolution] = Seen(view.image, masks)
        return Sample(index, digest, (height, width), covered, views)
    except InputError as error:
        return Refused(index, str(error))


def _masks(mask: np.ndarray, item: Item, plan: Plan) -> dict[str, np.ndarray]:
    carried = layer_masks(mask, plan.layers, item.name, plan.propagation, plan.network)
    return {layer: np.asarray(each) for layer, each in carried.items()}


def _refuse_narrow(image: np.ndarray, layers: Sequence[str], item: Item) -> None:
    height, width, _ = image.shape
    deepest = max(layers, key=lambda layer: (layer != PIXELS, layer_stride(layer)))
    if min(height, width) < layer_stride(deepest):
        raise InputError(
            f"{item.path} is too narrow for {deepest} at {width}x{height} pixels; "
            "crop it, or raise config.resolution"
        )
