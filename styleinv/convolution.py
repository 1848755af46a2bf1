"""3x3 convolutions with frozen kernels, made for gradients with respect to the image.

The kernels never change, so both directions are prepared once, outside of any jitted function: the
forward filters, and the flipped ones with which the gradient is again an ordinary convolution.
That keeps XLA's slow path for input gradients inside loops (line searches) out of the way, and lets
both directions use Winograd's minimal filtering.

Filters are f32[3, 3, c_in, c_out] (direct) or f32[36, c_in, c_out] (Winograd, transformed); their
rank says which algorithm they are for.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.winograd import convolve_tiles, transform


class FilterBank(NamedTuple):
    """One convolution in both directions, for either algorithm."""

    direct: tuple[jax.Array, jax.Array]
    winograd: tuple[jax.Array, jax.Array] | None

    def choose(self, positions: int) -> tuple[jax.Array, jax.Array]:
        """(forward, backward) filters for an image of `height * width` positions.

        Winograd's filters are four times as large: under 16x16 positions, reading them costs more
        than the multiplications that they save (measured on two AVX2 cores).
        """
        return self.direct if self.winograd is None or positions < 256 else self.winograd


def filter_bank(kernel: np.ndarray, winograd: bool) -> FilterBank:
    """Prepares f32[3, 3, c_in, c_out] for `convolve`; transforms are made in float64."""
    forward = np.asarray(kernel, np.float64)
    backward = forward[::-1, ::-1].transpose(0, 1, 3, 2)
    direct = _to_device(forward), _to_device(backward)
    if not winograd:
        return FilterBank(direct, None)
    return FilterBank(direct, (_to_device(transform(forward)), _to_device(transform(backward))))


def _to_device(filters: np.ndarray) -> jax.Array:
    return jnp.asarray(filters, jnp.float32)


@jax.custom_vjp
def convolve(x: jax.Array, filters: FilterBank) -> jax.Array:
    """f32[h, w, c_in] -> f32[h, w, c_out]: stride 1, zero border of one pixel.

    The filters are constants: their cotangent is zero by definition.
    """
    return _apply(x, filters.choose(x.shape[0] * x.shape[1])[0])


def _convolve_forward(x, filters):
    return convolve(x, filters), filters


def _convolve_backward(filters, cotangent):
    return _apply(cotangent, filters.choose(cotangent.shape[0] * cotangent.shape[1])[1]), None


convolve.defvjp(_convolve_forward, _convolve_backward)


def _apply(x: jax.Array, filters: jax.Array) -> jax.Array:
    return _direct(x, filters) if filters.ndim == 4 else convolve_tiles(x, filters)


def _direct(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]
