"""What is optimized in place of the image: pairs of an encoder and a decoder.

init(image f32[h, w, 3] in [0, 1]) -> params;  decode(params) -> image
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

MARGIN = 1 / 512  # half of an 8-bit level: black and white stay within reach of a gradient


class Parameters(NamedTuple):
    """A representation of images."""

    init: Callable[[jax.Array], jax.Array]
    decode: Callable[[jax.Array], jax.Array]


@jax.jit
def _sine_init(image: jax.Array) -> jax.Array:
    inside = jnp.clip(image, MARGIN, 1 - MARGIN)
    return 2 * jnp.arcsin(2 * inside - 1)


@jax.jit
def _sine_decode(params: jax.Array) -> jax.Array:
    return (1 + jnp.sin(params / 2)) / 2


_KNEE = 0.08  # cycles per pixel; below it, all frequencies gain alike
_NEUTRAL = 0.25  # cycles per pixel; the frequency that neither gains nor loses


def weigh(image: jax.Array, exponent: float) -> jax.Array:
    """Each frequency f of each channel times ((f + knee) / (neutral + knee)) ** exponent.

    Waves are cosines: the picture goes on as in a mirror. With the periodic ones of a Fourier
    transform, what happens at one border would be felt at the opposite one. Products with all
    waves take less time than XLA's fast transforms up to 2048 px (docs/performance.md).
    """
    height, width, _ = image.shape
    y, x = np.arange(height) / (2 * height), np.arange(width) / (2 * width)  # cycles per pixel
    gain = ((np.hypot(y[:, None], x[None]) + _KNEE) / (_NEUTRAL + _KNEE)) ** exponent
    down, across = _cosines(height), _cosines(width)
    product = partial(jnp.einsum, precision="highest")
    waves = product("uh,hwc,vw->uvc", down, image, across) * gain[:, :, None].astype(np.float32)
    return product("uh,uvc,vw->hwc", down, waves, across)


def _cosines(size: int) -> np.ndarray:
    """f32[size, size]: a row for each wave, of norm 1; the type-II discrete cosine transform."""
    number, place = np.arange(size)[:, None], np.arange(size)[None] + 0.5
    waves = np.cos(np.pi * number * place / size) * (2 / size) ** 0.5
    waves[0] = size**-0.5
    return waves.astype(np.float32)


def waves(pixels: Parameters) -> Parameters:
    """The same with long waves made large and short ones small, about one over their frequency.

    Every picture is still as reachable, but a step along the gradient is a smoother one, and L-BFGS
    needs a third fewer evaluations from a photograph (docs/performance.md).
    """

    @jax.jit
    def waves_init(image: jax.Array) -> jax.Array:
        return weigh(pixels.init(image), 1)

    @jax.jit
    def waves_decode(params: jax.Array) -> jax.Array:
        return pixels.decode(weigh(params, -1))

    return Parameters(waves_init, waves_decode)


# Pixels that cannot leave [0, 1]: nothing is clipped when the picture is saved. Black and white are
# a finite way off, as they are not by a sigmoid, which takes half as many steps again where a style
# has much of them (docs/performance.md).
_PIXELS = Parameters(_sine_init, _sine_decode)
PARAMETERS = {"pixels": _PIXELS, "waves": waves(_PIXELS)}
