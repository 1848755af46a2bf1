"""Gram matrices of features, and their gradient: X'X of a tall X, half of which is its own mirror.

How the product is cut is all about matrix products on a CPU (docs/performance.md); elsewhere the
same cuts cost nothing.
"""

import jax
import jax.numpy as jnp

COLUMNS = 128  # of the blocks of which only one of two mirrored products is made
_ROWS = {64: 65536, 128: 16384, 256: 1024}  # channels: positions per product


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
    # a mask that would be one more pass over them, and the sums of blocks are divided instead.
    scaled = features if share is None else features * jnp.sqrt(share)[:, :, None]
    blocks = gram(scaled.reshape(1, height * width, channels))[0]
    return blocks if share is not None else blocks / (height * width)


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
    batch, rows, channels = x.shape
    # A tall product of few channels keeps one core waiting; as a batch of shorter ones it does not.
    most = _ROWS.get(channels, rows)
    short = divisor(rows, most)
    x = x.reshape(-1, short if 4 * short > most else rows, channels)
    size = COLUMNS if channels % COLUMNS == 0 else channels
    edges = range(0, channels, size)
    # Of the block row that begins at each edge, what is not left of the diagonal.
    right = [product("bmi,bmj->bij", x[:, :, k : k + size], x[:, :, k:]) for k in edges]
    right = [part.reshape(batch, -1, *part.shape[1:]).sum(1) for part in right]
    if len(right) == 1:
        return right[0]
    full = []
    for i, part in enumerate(right):
        above = [right[j][:, :, (i - j) * size :][:, :, :size] for j in range(i)]
        full.append(jnp.concatenate([*(block.transpose(0, 2, 1) for block in above), part], 2))
    return jnp.concatenate(full, 1)


def product(formula: str, *arrays: jax.Array) -> jax.Array:
    """An einsum in float32: an accelerator would round its factors to fewer bits."""
    return jnp.einsum(formula, *arrays, precision="highest", preferred_element_type=jnp.float32)


def divisor(number: int, most: int) -> int:
    """The largest divisor up to a bound."""
    return max(n for n in range(1, min(number, most) + 1) if number % n == 0)
