"""A mask through the network: how much each position of each layer belongs to a region.

A mask is f32[h, w] in [0, 1], of the image's own size. Positions are averaged over, as the features
are: masks of a partition stay a partition at every layer (Gatys et al. 2017, section 4).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.errors import InputError
from styleinv.images import resize
from styleinv.vgg import layer_stride, pool

_LARGEST = 8192  # side in pixels up to which a size that would do is looked for


def layer_masks(mask: np.ndarray, layers: Sequence[str], name: str) -> dict[str, jax.Array]:
    """{layer: f32[h_l, w_l]}, average pooled.

    Raises:
        InputError: if at some layer less than one position of the region is left; it names the
            layer, and the smallest size at which there is one. `name` says whose mask it is.
    """
    masks = {}
    for layer in layers:
        masks[layer] = _pooled(mask, layer)
        if not float(masks[layer].sum()) >= 1:
            raise InputError(
                f"the mask of {name} vanishes at {layer}: of its positions at "
                f"{mask.shape[1]}x{mask.shape[0]} pixels, less than one is in the region; "
                f"{_remedy(mask, layer)}"
            )
    return masks


def _pooled(mask: np.ndarray, layer: str) -> jax.Array:
    x = jnp.asarray(mask)[..., None]
    for _ in range(layer_stride(layer).bit_length() - 1):
        x = pool(x, "average")
    return x[..., 0]


def _remedy(mask: np.ndarray, layer: str) -> str:
    """What would do: the smallest enlargement, in steps of an eighth."""
    height, width = mask.shape
    eighths = 9
    while mask.any() and max(height, width) * eighths <= 8 * _LARGEST:
        h, w = height * eighths // 8, width * eighths // 8
        if float(_pooled(resize(mask, h, w), layer).sum()) >= 1:
            return f"{w}x{h} pixels would do, or shallower layers, or a larger mask"
        eighths += max(1, eighths // 8)
    return "enlarge the mask, or drop the image"
