"""Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution as 36 small matrix products.

Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3: tiles of 6x6
inputs, which overlap by two, become tiles of 4x4 outputs with a quarter of the multiplications.
"""

from collections.abc import Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from styleinv.gram import divisor

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
    x: jax.Array, filters: jax.Array, bias: jax.Array | None, padding: int
) -> jax.Array:
    """f32[h, w, i], transformed f32[36, i, o] -> f32[h + 2 p - 2, w + 2 p - 2, o].

    Under `jax.vmap` over images, not filters, the tiles of several small images make a strip.

    Args:
        bias: f32[o], added before a ReLU, while a strip is in the cache; None: neither.
        padding: p, the width of the zero border.
    """

    @custom_vmap
    def convolve(x, filters, bias):
        return _convolve_images(x[None], filters, bias, padding)[0]

    @convolve.def_vmap
    def _(size, batched, x, filters, bias):
        if any(jax.tree.leaves(batched[1:])):
            raise NotImplementedError("Winograd's convolutions of a batch of filters")
        return _convolve_images(x, filters, bias, padding), True

    return convolve(x, filters, bias)


@partial(jax.jit, static_argnames="padding")  # traced once for all layers of a shape
def _convolve_images(x, filters, bias, padding):
    """`convolve_tiles` of f32[b, h, w, i]."""
    images, height, width = x.shape[0], *(size + 2 * padding - 2 for size in x.shape[1:3])
    rows, columns = -(-height // 4), -(-width // 4)  # of tiles
    # A strip is a few rows of an image, or a few images.
    strips = -(-rows * columns // _STRIP)
    each = -(-rows // strips)
    strips = -(-rows // each)
    together = divisor(images, max(1, _STRIP // (rows * columns))) if strips == 1 else 1
    bottom, right = 4 * each * strips - height, 4 * columns - width
    none = 0, 0, 0
    border = none, (padding, padding + bottom, 0), (padding, padding + right, 0), none

    def convolve_next(index):
        # A border that depends on the index, though it is zero always, is made with each strip: XLA
        # would make it for the whole image before the loop, one more pass over all features.
        bordered = lax.pad(x, jnp.minimum(index, 0).astype(x.dtype), border)
        start = index // strips * together, index % strips * 4 * each, 0, 0
        size = together, 4 * each + 2, *bordered.shape[2:]
        y = _convolve_strip(lax.dynamic_slice(bordered, start, size), filters)
        return y if bias is None else jax.nn.relu(y + bias[None, None, None])

    count = images // together * strips
    y = convolve_next(0) if count == 1 else lax.map(convolve_next, jnp.arange(count))
    return y.reshape(images, -1, *y.shape[-2:])[:, :height, :width]


def _convolve_strip(x: jax.Array, filters: jax.Array) -> jax.Array:
    """f32[k, 4 r + 2, 4 c + 2, i] -> f32[k, 4 r, 4 c, o]: r rows of c tiles of each of k images.

    Two passes of six fused outputs compile in a fraction of a second; all 36 at once take twenty.
    """
    images, rows, columns = x.shape[0], x.shape[1] // 4, x.shape[2] // 4
    x = _combine(_INPUT, [_every_fourth(x, i, rows, 1) for i in range(6)])
    x = _combine(_INPUT, [_every_fourth(x, j, columns, 3) for j in range(6)])
    x = x.reshape(36, images * rows * columns, -1)  # (column, row) in the tile, which, channel
    y = jnp.matmul(x, filters).reshape(6, 6, images, rows, columns, -1)
    y = _combine(_OUTPUT, list(y))  # [4 columns, 6 rows, k, r, c, o]
    y = _combine(_OUTPUT, [y[:, i] for i in range(6)])  # [4 rows, 4 columns, k, r, c, o]
    return y.transpose(2, 3, 0, 4, 1, 5).reshape(images, 4 * rows, 4 * columns, -1)


def _every_fourth(x: jax.Array, first: int, count: int, axis: int) -> jax.Array:
    return lax.slice_in_dim(x, first, first + 4 * count - 3, 4, axis)


def _combine(matrix: np.ndarray, slices: Sequence[jax.Array]) -> jax.Array:
    """Stacks one weighted sum of the slices per row of the matrix.

    In operations of `lax`, as what cuts the slices: they are traced faster than those of `jnp`, and
    that for every shape.
    """
    terms = [
        [s if c == 1 else lax.mul(s, float(c)) for c, s in zip(row, slices, strict=True) if c]
        for row in matrix
    ]
    return jnp.stack([reduce(lax.add, each) for each in terms])
