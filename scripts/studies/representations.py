"""Parameters that are only studied, besides those of `styleinv.parameters`."""

import jax
import jax.numpy as jnp
import numpy as np

from styleinv import parameters
from styleinv.parameters import MARGIN, Parameters

# Lucid's square root of the covariance of ImageNet's colors (lucid/optvis/param/color.py), divided
# by the length of its longest column, as there. A column is an axis: light, then opponent colors.
_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
_ROOT /= np.linalg.norm(_ROOT, axis=0).max()
_INVERSE = np.linalg.inv(_ROOT)

_SMALLEST = 2  # pixels, of the sides of a pyramid's last level


def _decorrelated(base: Parameters) -> Parameters:
    """The base's parameters along the main axes of photographs' colors, the light's the longest."""
    return Parameters(
        jax.jit(lambda image: base.init(image) @ _INVERSE.T),
        jax.jit(lambda params: base.decode(params @ _ROOT.T)),
    )


@jax.jit
def _sigmoid_init(image: jax.Array) -> jax.Array:
    inside = jnp.clip(image, MARGIN, 1 - MARGIN)
    return jnp.log(inside) - jnp.log1p(-inside)


# Pixels with black and white infinitely far off.
_SIGMOIDS = Parameters(_sigmoid_init, jax.jit(jax.nn.sigmoid))


@jax.jit
def _pyramid_init(image: jax.Array) -> jax.Array:
    # All in the finest level: how a start is divided makes no difference to where gradients lead.
    inside = parameters.PARAMETERS["pixels"].init(image)
    return jnp.pad(inside, ((0, 0), (0, (image.shape[1] + 1) // 2), (0, 0)))


@jax.jit
def _pyramid_decode(params: jax.Array) -> jax.Array:
    """The picture of the sum of levels, each half the one before and enlarged without weights.

    Like a mipmap, an array holds them all: the finest level at the left, f32[h, w, 3], and the
    others below each other in a column at its right, as many as there is room for.
    """
    height, width = params.shape[0], 2 * params.shape[1] // 3
    total, column = params[:, :width], params[:, width:]
    h, w, top = (height + 1) // 2, (width + 1) // 2, 0
    while top + h <= height and min(h, w) >= _SMALLEST:
        level = column[top : top + h, :w]
        total = total + jax.image.resize(level, total.shape, "linear")
        h, w, top = (h + 1) // 2, (w + 1) // 2, top + h
    return parameters.PARAMETERS["pixels"].decode(total)


PARAMETERS = parameters.PARAMETERS | {
    "decorrelated pixels": _decorrelated(parameters.PARAMETERS["pixels"]),
    "decorrelated waves": _decorrelated(parameters.PARAMETERS["waves"]),
    "sigmoid pixels": _SIGMOIDS,
    "sigmoid waves": parameters.waves(_SIGMOIDS),
    "pyramid": Parameters(_pyramid_init, _pyramid_decode),
}
