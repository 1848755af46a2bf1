"""Winograd's minimal filtering F(4x4, 3x3): a 3x3 convolution as 36 small matrix products.

Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3: tiles of 6x6
inputs, which overlap by two, become tiles of 4x4 outputs with a quarter of the multiplications.
The convolution itself is machine code for CPUs, `styleinv.native`.
"""

import math
import os

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from styleinv.native.build import registers, target
from styleinv.native.emitter import CHANNELS
from styleinv.native.winograd import WINOGRAD, P, Q

# The transform of filters in one dimension: polynomials' values at the points 0, P, -P, Q, -Q and
# infinity, over what the inputs' transform leaves out.
_ROWS = [(0, (P * Q) ** 2)]
_ROWS += [(sign * p, 2 * p**2 * (p**2 - q**2)) for p, q in ((P, Q), (Q, P)) for sign in (1, -1)]
_FILTER = np.array([*([1 / n, p / n, p**2 / n] for p, n in _ROWS), [0, 0, 1]])
# What a core works on at a time, at most: its cache has room for as much.
_BLOCK = 72  # tiles
_DEPTH = 128  # channels that come in
_PART = 256  # channels that go out


def transform(kernel: jax.Array | np.ndarray) -> jax.Array:
    """f32[3, 3, i, o] -> f32[36, o / n, i, n], n as many as this processor multiplies at a time."""
    # In float64 this takes twice as long, and the features are off by just as much.
    both = np.einsum("ap,bq->abpq", _FILTER, _FILTER).reshape(36, 9).astype(np.float32)
    filters = jnp.matmul(both, kernel.reshape(9, -1), precision="highest")
    return filters.reshape(36, kernel.shape[2], -1, registers().columns).swapaxes(1, 2)


def convolve_tiles(
    x: jax.Array, filters: jax.Array, bias: jax.Array | None, padding: int
) -> jax.Array:
    """f32[h, w, i], filters of `transform` -> f32[h + 2 p - 2, w + 2 p - 2, o].

    Under `jax.vmap` over images, not filters, the tiles of several images share blocks.

    Args:
        bias: f32[o], added before a ReLU; None: neither.
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

    return convolve(x, filters, jnp.zeros(0) if bias is None else bias)


def _convolve_images(x, filters, bias, padding):
    """`convolve_tiles` of f32[b, h, w, i]; no bias is f32[0]."""
    images, height, width = x.shape[0], *(size + 2 * padding - 2 for size in x.shape[1:3])
    channels, made = filters.shape[2], filters.shape[1] * filters.shape[3]
    workers, block, part, depth = _cut(images * -(-height // 4) * -(-width // 4), channels, made)
    convolve = jax.ffi.ffi_call(
        target(WINOGRAD, registers()),
        (
            jax.ShapeDtypeStruct((images, height, width, made), jnp.float32),
            jax.ShapeDtypeStruct((workers, 36, block, depth), jnp.float32),
            jax.ShapeDtypeStruct((workers, 36, block, part), jnp.float32),
        ),
    )
    return convolve(x, filters, bias)[0]


def _cut(tiles: int, channels: int, made: int) -> tuple[int, int, int, int]:
    """(threads, tiles of a block, channels that go out and that come in at a time)."""
    threads, rows = os.cpu_count() or 1, registers().rows
    block = rows * math.ceil(tiles / math.ceil(tiles / _BLOCK) / rows)
    part = _divisor(made, _PART)
    # Few pieces are a multiple of the threads, or some would wait for others.
    while (items := -(-tiles // block) * (made // part)) % threads and items < 4 * threads:
        if part > CHANNELS:
            part = _divisor(part, part - CHANNELS)
        elif block > 2 * rows:
            block = rows * math.ceil(block / 2 / rows)
        else:
            break
    return min(threads, items), block, part, _divisor(channels, _DEPTH)


def _divisor(channels: int, most: int) -> int:
    """The largest divisor up to a bound, in steps of `CHANNELS`."""
    return max(n for n in range(CHANNELS, most + 1, CHANNELS) if channels % n == 0)
