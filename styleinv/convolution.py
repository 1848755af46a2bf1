"""3x3 convolutions with frozen kernels, made for gradients with respect to the image.

The kernels never change, so both directions are prepared once, outside of any jitted function: the
forward filters, and the flipped ones with which the gradient is again an ordinary convolution.
That keeps XLA's slow path for input gradients inside loops (line searches) out of the way, and lets
both directions use Winograd's minimal filtering.

Filters are f32[3, 3, c_in, c_out] (direct) or f32[36, c_in, c_out] (Winograd, transformed); their
rank says which algorithm they are for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Winograd F(4x4, 3x3): Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks",
# section 4.3. Input, filter and output transforms of one dimension.
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
_FILTER = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float64,
)
_OUTPUT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float64
)


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
    return FilterBank(direct, (_to_device(_transform(forward)), _to_device(_transform(backward))))


def _to_device(filters: np.ndarray) -> jax.Array:
    return jnp.asarray(filters, jnp.float32)


def _transform(kernel: np.ndarray) -> np.ndarray:
    """f64[3, 3, i, o] -> f64[36, i, o], tile columns first, as `_winograd` has its tiles."""
    both = np.einsum("ap,bq->bapq", _FILTER, _FILTER).reshape(36, 9)
    return (both @ kernel.reshape(9, -1)).reshape(36, *kernel.shape[2:])


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
    return _direct(x, filters) if filters.ndim == 4 else _winograd(x, filters)


def _direct(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def _winograd(x: jax.Array, filters: jax.Array) -> jax.Array:
    """Tiles of 6x6 become tiles of 4x4; rows first, then columns.

    Two passes of six fused outputs compile in a fraction of a second; all 36 at once take twenty.
    """
    height, width, c_in = x.shape
    rows, columns = -(-height // 4), -(-width // 4)
    x = jnp.pad(x, ((1, 4 * rows + 1 - height), (1, 4 * columns + 1 - width), (0, 0)))
    x = _combine(_INPUT, [x[i : i + 4 * rows - 3 : 4] for i in range(6)])  # [6, rows, w, c]
    x = _combine(_INPUT, [x[:, :, j : j + 4 * columns - 3 : 4] for j in range(6)])
    x = x.reshape(36, rows * columns, c_in)  # (column, row) of the tile, its position, channel
    y = jnp.einsum("tpi,tio->tpo", x, filters)
    y = y.reshape(6, 6, rows, columns, -1)
    y = _combine(_OUTPUT, list(y))  # [4 columns, 6 rows, rows, columns, c]
    y = _combine(_OUTPUT, [y[:, i] for i in range(6)])  # [4 rows, 4 columns, rows, columns, c]
    y = y.transpose(2, 0, 3, 1, 4).reshape(4 * rows, 4 * columns, -1)
    return y[:height, :width]


def _combine(matrix: np.ndarray, slices: Sequence[jax.Array]) -> jax.Array:
    """Stacks one weighted sum of the slices per row of the matrix."""
    return jnp.stack(
        [sum(float(c) * s for c, s in zip(row, slices, strict=True) if c) for row in matrix]
    )
