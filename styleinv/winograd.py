"""Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution as 36 small matrix products.

Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3: tiles of 6x6
inputs, which overlap by two, become tiles of 4x4 outputs with a quarter of the multiplications.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np

# Input, filter and output transforms of one dimension.
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

# Tiles transformed at a time. The 36 planes of a strip then stay in the cache, and its memory is
# used again by the next; fewer tiles would leave the matrix products too thin.
_STRIP = 1024


def transform(kernel: np.ndarray) -> np.ndarray:
    """f32[3, 3, i, o] -> f32[36, i, o], tile columns first, as `convolve_tiles` has its tiles."""
    # In float64 this takes twice as long, and the features are off by just as much.
    both = np.einsum("ap,bq->bapq", _FILTER, _FILTER).reshape(36, 9).astype(np.float32)
    return (both @ kernel.reshape(9, -1)).reshape(36, *kernel.shape[2:])


def convolve_tiles(
    x: jax.Array, filters: jax.Array, padding: int, finish: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """f32[h, w, i], transformed f32[36, i, o] -> f32[h + 2 p - 2, w + 2 p - 2, o].

    Args:
        padding: p, the width of the zero border.
        finish: an elementwise function of the result, done while a strip is in the cache.
    """
    height, width = (size + 2 * padding - 2 for size in x.shape[:2])
    rows, columns = -(-height // 4), -(-width // 4)  # of tiles
    strips = -(-rows * columns // _STRIP)
    each = -(-rows // strips)
    strips = -(-rows // each)
    bottom, right = 4 * each * strips - height, 4 * columns - width
    x = jnp.pad(x, ((padding, padding + bottom), (padding, padding + right), (0, 0)))

    def convolve_strip(index):
        strip = jax.lax.dynamic_slice_in_dim(x, 4 * each * index, 4 * each + 2)
        return finish(_convolve_strip(strip, filters))

    if strips == 1:
        return finish(_convolve_strip(x, filters))[:height, :width]
    y = jax.lax.map(convolve_strip, jnp.arange(strips))
    return y.reshape(-1, *y.shape[2:])[:height, :width]


@jax.jit  # traced once for all layers of a shape
def _convolve_strip(x: jax.Array, filters: jax.Array) -> jax.Array:
    """f32[4 r + 2, 4 c + 2, i] -> f32[4 r, 4 c, o]: r rows of c tiles.

    Two passes of six fused outputs compile in a fraction of a second; all 36 at once take twenty.
    """
    rows, columns = x.shape[0] // 4, x.shape[1] // 4
    x = _combine(_INPUT, [x[i : i + 4 * rows - 3 : 4] for i in range(6)])  # [6, r, 4 c + 2, i]
    x = _combine(_INPUT, [x[:, :, j : j + 4 * columns - 3 : 4] for j in range(6)])
    x = x.reshape(36, rows * columns, -1)  # (column, row) in the tile, its position, channel
    y = jnp.matmul(x, filters).reshape(6, 6, rows, columns, -1)
    y = _combine(_OUTPUT, list(y))  # [4 columns, 6 rows, r, c, o]
    y = _combine(_OUTPUT, [y[:, i] for i in range(6)])  # [4 rows, 4 columns, r, c, o]
    return y.transpose(2, 0, 3, 1, 4).reshape(4 * rows, 4 * columns, -1)


def _combine(matrix: np.ndarray, slices: Sequence[jax.Array]) -> jax.Array:
    """Stacks one weighted sum of the slices per row of the matrix."""
    terms = [
        [s if c == 1 else float(c) * s for c, s in zip(row, slices, strict=True) if c]
        for row in matrix
    ]
    return jnp.stack([reduce(jnp.add, each) for each in terms])
