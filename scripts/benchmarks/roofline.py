"""What a step takes at the least, by what the device can do (Williams et al. 2009, "Roofline").

Operations are counted, two for each multiplication with its addition, and bytes likewise; what the
device can do is measured, with one large matrix product and one large copy. A step cannot be done
sooner than the slower of the two.
"""

import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp

from scripts.benchmarks import ours
from styleinv.compiler_options import FAST
from styleinv.convolution import FEW_CHANNELS, FEW_POSITIONS
from styleinv.native.build import registers
from styleinv.native.gram import narrow
from styleinv.precision import FLOAT32, Precision
from styleinv.vgg import layer_channels, layer_names, layer_stride

_SIDES = {"cpu": 2048}  # of the square matrices, by platform
_SIDE = 8192  # elsewhere
_COPIED = 2**26  # floats


def operations(resolution: int, fast: bool = False) -> float:
    """Of value and gradient: as direct convolutions and whole Gram matrices, or as really done.

    Direct 3x3 convolutions and Gram matrices forward, and the same number again backward, since the
    weights are frozen and each product is followed back to one of its factors only.

    Args:
        fast: Winograd's convolutions, with a quarter of the multiplications, where a CPU has them,
            and what is made of each Gram matrix forward: half, in blocks of columns.
    """
    total, below = 0.0, 3
    for layer in layer_names():
        channels, positions = layer_channels(layer), (resolution // layer_stride(layer)) ** 2
        winograd = fast and below > FEW_CHANNELS and positions >= FEW_POSITIONS
        blocks = channels // narrow(registers()).columns
        kept = (blocks + 1) / (2 * blocks) if fast else 1.0
        convolutions = 2 * 9 * below * channels * (0.25 if winograd else 1.0)
        total += 2 * positions * (convolutions + (1 + kept) * channels**2)
        below = channels
    return total


def bytes_moved(resolution: int) -> float:
    """Of value and gradient, at the least, if nothing but the filters were kept in caches.

    Forward, features are written, and read by the next convolution and by the Gram matrix;
    backward, they are read, and their cotangent is written and read. Filters are read in both
    directions. All are float32.
    """
    names = layer_names()
    features = sum((resolution // layer_stride(k)) ** 2 * layer_channels(k) for k in names)
    channels = [3, *map(layer_channels, names)]
    filters = sum(9 * a * b for a, b in pairwise(channels))
    return 4.0 * (6 * features + 2 * filters)


def peaks(precision: Precision = FLOAT32, repeats: int = 5) -> tuple[float, float]:
    """(operations, bytes) a second of a product of square matrices and of a copy."""
    side = _SIDES.get(jax.default_backend(), _SIDE)
    square, row = jnp.ones((side, side)), jnp.ones(_COPIED)
    multiply = jax.jit(partial(jnp.matmul, precision=precision.products), compiler_options=FAST)
    multiplied = _median(partial(multiply, square, square), repeats)
    copied = _median(partial(_copy, row), repeats)
    return 2 * side**3 / multiplied, 2 * row.nbytes / copied


@jax.jit
def _copy(row):
    return row + 1


def _median(work: Callable[[], Any], repeats: int) -> float:
    """Seconds; the first time compiles."""
    return statistics.median([ours.seconds(work) for _ in range(1 + repeats)][1:])
