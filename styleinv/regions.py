"""A mask through the network: how much each position of each layer belongs to a region.

A mask is f32[h, w] in [0, 1], of the image's own size. Positions are averaged over, as the features
are: masks of a partition stay a partition at every layer (Gatys et al. 2017, section 4).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.errors import InputError
from styleinv.vgg import layer_stride, pool


def layer_masks(mask: np.ndarray, layers: Sequence[str], name: str) -> dict[str, jax.Array]:
    """{layer: f32[h_l, w_l]}, average pooled.

    Raises:
        InputError: if nothing of the mask is left at some layer; `name` says whose mask it is.
    """
    masks = {}
    for layer in layers:
        x = jnp.asarray(mask)[..., None]
        for _ in range(layer_stride(layer).bit_length() - 1):
            x = pool(x, "average")
        masks[layer] = x[..., 0]
        if not float(masks[layer].sum()) > 0:
            raise InputError(f"the mask of {name} is empty at {layer}; drop the image or the mask")
    return masks
