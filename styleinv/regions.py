"""A mask through the network: how much each position of each layer belongs to a region.

A mask is f32[h, w] in [0, 1], of the image's own size. There are three ways to carry it to a layer:

    soft    averaged over, as the features are: masks of a partition stay a partition at every layer
            (Gatys et al. 2017, section 4)
    inside  the least of what the position sees: 1 where nothing outside of the region counts
    any     the most of what the position sees: 0 where nothing of the region counts

What a position sees is its receptive field, as far as that lies in the picture.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.errors import InputError
from styleinv.images import resize
from styleinv.vgg import PIXELS, corners, layer_stride

PROPAGATIONS = ("soft", "inside", "any")
_LARGEST = 2048  # side in pixels up to which a size that would do is looked for


def layer_masks(
    mask: np.ndarray,
    layers: Sequence[str],
    name: str,
    propagation: str,
    network: Sequence[str],
) -> dict[str, jax.Array]:
    """{layer: f32[h_l, w_l] in [0, 1]}, how much each position belongs to the region.

    Deep layers see so much that of a small region no position may be wholly inside: a layer with
    less than one is left out. Other masks have one at every layer, or are refused.

    Args:
        mask: f32[h, w] in [0, 1], of the image's own size.
        name: whose mask it is, for messages.
        propagation: one of `PROPAGATIONS`.
        network: all of its layers up to the deepest asked for, shallow to deep.

    Raises:
        InputError: if less than one position of the region is left at some layer ("inside": at all
            but the pixels); it names the layer, and the smallest size at which there is one.
    """
    shallowest = next((layer for layer in network if layer in layers), PIXELS)
    depth = max((network.index(layer) + 1 for layer in layers if layer != PIXELS), default=0)
    carried = dict(_carry(mask, (PIXELS, *network[:depth]), propagation))
    masks = {}
    for layer in layers:
        if carried[layer].sum() >= 1:
            masks[layer] = jnp.asarray(carried[layer])
        elif propagation != "inside" or layer in (PIXELS, shallowest):
            raise InputError(
                f"the mask of {name} vanishes at {layer}: of its positions at "
                f"{mask.shape[1]}x{mask.shape[0]} pixels, less than one is "
                f"{'wholly ' if propagation == 'inside' else ''}in the region; "
                f"{_remedy(mask, layer, propagation, network)}"
            )
    return masks


def _carry(
    mask: np.ndarray, layers: Sequence[str], propagation: str
) -> Iterator[tuple[str, np.ndarray]]:
    """(layer, f32[h_l, w_l]) of successive layers, the first of which has the mask's size."""
    sign = {"soft": 1, "inside": -1, "any": 1}[propagation]  # the least of x is the most of -x
    x = sign * mask
    yield layers[0], sign * x
    for before, layer in pairwise(layers):
        if layer_stride(layer) > layer_stride(before):
            x = (np.mean if propagation == "soft" else np.max)(corners(x), axis=0)
        if propagation != "soft":
            x = _most_around(x)
        yield layer, sign * x


def _most_around(x: np.ndarray) -> np.ndarray:
    """f32[h, w]: the largest of each 3x3; the border adds nothing of its own."""
    for _ in range(2):
        rows = np.pad(x, ((1, 1), (0, 0)), mode="edge")
        x = reduce(np.maximum, (rows[:-2], rows[1:-1], rows[2:])).T
    return x


def _remedy(mask: np.ndarray, layer: str, propagation: str, network: Sequence[str]) -> str:
    """What would do: the smallest enlargement, in steps of an eighth, if any up to `_LARGEST`."""
    layers = (PIXELS, *network)
    layers = layers[: layers.index(layer) + 1]

    def enlarged(eighths: int) -> tuple[int, int]:
        return mask.shape[0] * eighths // 8, mask.shape[1] * eighths // 8

    def does(eighths: int) -> bool:
        larger = resize(mask, *enlarged(eighths))
        return bool(dict(_carry(larger, layers, propagation))[layer].sum() >= 1)

    sizes, eighths = [], 9
    while max(enlarged(eighths)) <= _LARGEST:
        sizes.append(eighths)
        eighths += max(1, eighths // 8)
    # The largest first: this is done for each picture of a set, and most find nothing.
    if mask.any() and sizes and does(sizes[-1]):
        height, width = enlarged(sizes[bisect_left(sizes[:-1], True, key=does)])
        return f"{width}x{height} pixels would do, or shallower layers, or a larger mask"
    return "enlarge the mask, or drop the image"
