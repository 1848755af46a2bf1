"""3x3 convolutions with frozen kernels, made for gradients with respect to the image.

The kernels never change, so both directions are prepared once, outside of any jitted function: the
forward filters, and the flipped ones with which the gradient is again an ordinary convolution.
That keeps XLA's slow path for input gradients inside loops (line searches) out of the way, and lets
both directions use Winograd's minimal filtering.

The shape of the filters says which algorithm they are for: f32[3, 3, c_in, c_out] (direct),
f32[36, ...] (Winograd, transformed), or a matrix, where the image's three channels come in
or go out.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.compiler_options import FAST
from styleinv.native.emitter import CHANNELS
from styleinv.precision import FLOAT32, Precision
from styleinv.winograd import convolve_tiles, transform

FEW_CHANNELS = 4  # up to which a convolution is a matrix product
FEW_POSITIONS = 128  # below which it is a direct one


class FilterBank(NamedTuple):
    """One convolution in both directions, for either algorithm."""

    direct: tuple[jax.Array, jax.Array]
    winograd: tuple[jax.Array, jax.Array] | None

    def choose(self, positions: int) -> tuple[jax.Array, jax.Array]:
        """(forward, backward) filters for an image of `height * width` positions.

        Winograd's filters are four times as large: of few positions, reading them costs more than
        the multiplications that they save. On two AVX-512 cores, 512 channels and their filters out
        of memory: 8x8 in 2.2 ms by direct ones and 3.1 by these, 12x12 in 5.5 and 3.1.
        """
        if self.winograd is None or positions < FEW_POSITIONS:
            return self.direct
        return self.winograd


def filter_bank(kernel: np.ndarray, fast: bool) -> FilterBank:
    """Prepares f32[3, 3, c_in, c_out] for `convolve_relu`; the device may still be at it.

    Args:
        fast: whether the convolution may be something else than a direct one.
    """
    forward = jnp.asarray(kernel, jnp.float32)
    _, _, c_in, c_out = forward.shape
    # Too thin for direct convolutions, and nothing for Winograd to save.
    thin = fast and c_in <= FEW_CHANNELS
    winograd = fast and not (c_in % CHANNELS or c_out % CHANNELS)
    return _prepare(forward, thin, winograd)


@partial(jax.jit, static_argnums=(1, 2), compiler_options=FAST)
def _prepare(forward: jax.Array, thin: bool, winograd: bool) -> FilterBank:
    _, _, c_in, c_out = forward.shape
    backward = forward[::-1, ::-1].swapaxes(2, 3)
    if thin:
        scatter = backward.transpose(2, 0, 1, 3).reshape(c_out, 9 * c_in)
        return FilterBank((forward.reshape(9 * c_in, c_out), scatter), None)
    transformed = (transform(forward), transform(backward)) if winograd else None
    return FilterBank((forward, backward), transformed)


def for_batches(filters: FilterBank) -> FilterBank:
    """What convolves many small images at once: the reading of Winograd's filters is shared.

    On CPU, XLA's direct convolution of a batch of 64 images of 2x2 positions is far slower still:
    the network at 32 px does 6 images per second with it, and 90 without (two AVX-512 cores).
    """
    return filters if filters.winograd is None else filters._replace(direct=filters.winograd)


def convolve_relu(
    x: jax.Array,
    filters: FilterBank,
    bias: jax.Array,
    padding: int = 1,
    precision: Precision = FLOAT32,
) -> jax.Array:
    """[h, w, c_in] -> [h + 2 p - 2, w + 2 p - 2, c_out]: stride 1, bias added, then ReLU.

    `padding` is p, the width of the zero border; the result is of type `precision.features`, and
    Winograd's filters are for float32 only. Filters and bias are constants: their cotangent is
    zero by definition.
    """
    return _differentiable(x.astype(precision.features), filters, bias, padding, precision)


def _convolve_relu(x, filters: FilterBank, bias, padding: int, precision: Precision) -> jax.Array:
    forward, _ = _choose(filters, x, precision)
    return _apply(x, forward, bias, padding, precision).astype(precision.features)


def _convolve_relu_forward(x, filters, bias, padding, precision):
    y = _convolve_relu(x, filters, bias, padding, precision)
    return y, (y, filters)


def _convolve_relu_backward(padding, precision, residual, cotangent):
    # The output says where the ReLU was open: what was before it need not be kept.
    y, filters = residual
    _, backward = _choose(filters, y, precision)
    opened = jnp.where(y > 0, cotangent, 0)
    return _apply(opened, backward, None, 2 - padding, precision), None, None


_differentiable = jax.custom_vjp(_convolve_relu, nondiff_argnums=(3, 4))
_differentiable.defvjp(_convolve_relu_forward, _convolve_relu_backward)


def _choose(filters: FilterBank, x: jax.Array, precision: Precision):
    return filters.choose(x.shape[0] * x.shape[1]) if precision == FLOAT32 else filters.direct


def _apply(
    x: jax.Array,
    filters: jax.Array,
    bias: jax.Array | None,
    padding: int,
    precision: Precision,
) -> jax.Array:
    """The convolution, and ReLU of it plus the bias if there is one."""
    if filters.shape[0] == 36:
        return convolve_tiles(x, filters, bias, padding)
    if filters.ndim == 4:
        y = _direct(x, filters, padding, precision)
    else:
        gather = filters.shape[0] == 9 * x.shape[-1]
        y = (_gather if gather else _scatter)(x, filters, padding)
    if bias is None:
        return y
    y = jax.nn.relu(y + bias.astype(y.dtype)[None, None])
    # Or XLA would look behind the ReLU: do it once for each that uses it, a pass over all features,
    # and not let cuDNN do it with the convolution, since `y > 0` can be asked of what was before.
    return jax.lax.optimization_barrier(y)


def _direct(x: jax.Array, filters: jax.Array, padding: int, precision: Precision) -> jax.Array:
    border = (padding, padding)
    # Of bfloat16 factors the result is bfloat16 too, summed in float32 and rounded once: cuDNN
    # lists that among what it supports, and not a float32 result.
    y = jax.lax.conv_general_dilated(
        x[None],
        filters.astype(x.dtype),
        (1, 1),
        (border, border),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision.products,
    )
    return y[0]


def _gather(x: jax.Array, filters: jax.Array, padding: int) -> jax.Array:
    """Of few inputs: a row of all nine neighbors' channels, times f32[9 c_in, c_out]."""
    x = jnp.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    height, width = x.shape[0] - 2, x.shape[1] - 2
    around = [x[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return jnp.matmul(jnp.concatenate(around, -1), filters, precision="highest")


def _scatter(x: jax.Array, filters: jax.Array, padding: int) -> jax.Array:
    """To few outputs: what each position gives to its nine neighbors, by f32[c_in, 9 c_out]."""
    given = jnp.matmul(x, filters, precision="highest").reshape(*x.shape[:2], 3, 3, -1)
    y = jnp.zeros((x.shape[0] + 2, x.shape[1] + 2, given.shape[-1]))
    for i in range(3):
        for j in range(3):
            y += jnp.pad(given[:, :, i, j], ((2 - i, i), (2 - j, j), (0, 0)))
    cut = 2 - padding
    return y[cut : y.shape[0] - cut, cut : y.shape[1] - cut]
