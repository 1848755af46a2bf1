"""What is optimized in place of the image: pairs of an encoder and a decoder.

init(image f32[h, w, 3] in [0, 1]) -> params;  decode(params) -> image
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

_MARGIN = 1 / 512  # half of an 8-bit level: black and white stay within reach of a gradient


class Parameters(NamedTuple):
    """A representation of images."""

    init: Callable[[jax.Array], jax.Array]
    decode: Callable[[jax.Array], jax.Array]


def _sigmoid_init(image: jax.Array) -> jax.Array:
    inside = jnp.clip(image, _MARGIN, 1 - _MARGIN)
    return jnp.log(inside) - jnp.log1p(-inside)


def _sigmoid_decode(params: jax.Array) -> jax.Array:
    return jax.nn.sigmoid(params)


PARAMETERS = {
    # Pixels that cannot leave [0, 1]: nothing is clipped when the picture is saved.
    "pixels": Parameters(_sigmoid_init, _sigmoid_decode),
}
