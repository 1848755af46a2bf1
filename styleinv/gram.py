"""Gram matrices of features, and their gradient: X'X of a tall X.

Half of it is its own mirror, which the machine code for a CPU, `styleinv.native`, leaves out.
"""

import math

import jax
import jax.numpy as jnp

from styleinv.native.build import registers, target
from styleinv.native.emitter import CHANNELS
from styleinv.native.gram import GRAM

_PIECE, _PIECES = 1024, 64  # positions that a CPU adds up apart, and how many times at the most


def moments(
    features: jax.Array, share: jax.Array | None, part: float = 1.0
) -> tuple[jax.Array, jax.Array]:
    """(mean f32[c], second moment f32[c, c]) of features f32[h, w, c], or their part of a sum.

    Args:
        share: f32[h, w], how much each position counts; None: as much as any other, and all of them
            together `part`.
    """
    height, width, _ = features.shape
    each = part / (height * width) if share is None else share[:, :, None]
    # Rows first, then their sums: one long float32 sum loses four digits at a million positions.
    mean = (features.astype(jnp.float32) * each).sum(1).sum(0)
    second = second_moment(features, share)
    return mean, second if share is not None or part == 1 else part * second


@jax.custom_vjp
def second_moment(features: jax.Array, share: jax.Array | None) -> jax.Array:
    """f32[h, w, c], f32[h, w] -> f32[c, c]: sum_hw share_hw f_hw f_hw^T; None shares alike.

    The share's own cotangent is zero: shares are constants. Features may be bfloat16: a product of
    two is exact in float32, in which all are summed.
    """
    height, width, channels = features.shape
    # The share goes in before the product, so that a sum of large features cannot overflow; without
    # a mask that would be one more pass over them, and the sums are divided instead.
    scaled = features if share is None else features * jnp.sqrt(share)[:, :, None]
    sums = gram(scaled.reshape(1, height * width, channels))[0]
    return sums if share is not None else sums / (height * width)


def _forward(features, share):
    return second_moment(features, share), (features, share)


def _backward(residual, cotangent):
    # Automatic differentiation makes two matrix products of this one.
    features, share = residual
    height, width, channels = features.shape
    both = cotangent + cotangent.T
    if share is None:
        both = both / (height * width)  # cheaper than to scale the features
    gradient = jnp.matmul(features.reshape(-1, channels), both, precision="highest")
    gradient = gradient.reshape(features.shape)
    gradient = gradient if share is None else gradient * share[:, :, None]
    return gradient.astype(features.dtype), None


second_moment.defvjp(_forward, _backward)


def gram(x: jax.Array) -> jax.Array:
    """f32[b, m, c] -> f32[b, c, c]: X'X of each."""
    # Where XLA cuts arrays for several devices, it could not cut what it does not know.
    cut = jax.sharding.get_abstract_mesh().auto_axes
    if cut or x.dtype != jnp.float32 or x.shape[-1] % CHANNELS:
        return _plain_gram(x)
    return jax.lax.platform_dependent(x, cpu=_native_gram, default=_plain_gram)


def _native_gram(x):
    batch, positions, channels = x.shape
    pieces = min(math.ceil(positions / _PIECE), _PIECES)
    call = jax.ffi.ffi_call(
        target(GRAM, registers()),
        jax.ShapeDtypeStruct((batch, pieces, channels, channels), jnp.float32),
        vmap_method="sequential",
    )
    # XLA's own sum of 4 x 256 x 256 takes longer than all of the above.
    return product("p,bpij->bij", jnp.ones(pieces), call(x))


def _plain_gram(x):
    return product("bmi,bmj->bij", x, x)


def product(formula: str, *arrays: jax.Array) -> jax.Array:
    """An einsum in float32: an accelerator would round its factors to fewer bits."""
    return jnp.einsum(formula, *arrays, precision="highest", preferred_element_type=jnp.float32)
