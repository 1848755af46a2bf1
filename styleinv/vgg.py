"""The frozen VGG networks (Simonyan & Zisserman 2014): image -> {layer: features}.

Image: f32[h, w, 3], RGB in [0, 1]. Features: {"relu1_1": f32[h_l, w_l, c_l], ...}, after the ReLU;
the layer "pixels" is the image as it is. A precision may have them as bfloat16 instead, all but
relu1_1.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import groupby
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from styleinv.convolution import FilterBank, convolve_relu, filter_bank
from styleinv.precision import FLOAT32, Precision
from styleinv.weights.convolutions import BLOCKS, CHANNELS

PIXELS = "pixels"  # the layer below all others: the image itself
POOLINGS = ("average", "max")
PADDINGS = ("replicate", "zeros")
CONVOLUTIONS = ("auto", "direct", "winograd")
Array = TypeVar("Array", jax.Array, np.ndarray)


def layer_names(network: str = "vgg19") -> tuple[str, ...]:
    """("relu1_1", "relu1_2", "relu2_1", ...), shallow to deep."""
    return tuple(
        f"relu{block}_{i}"
        for block, count in enumerate(BLOCKS[network], 1)
        for i in range(1, count + 1)
    )


def layer_stride(layer: str) -> int:
    """How many image pixels one position of the layer steps over: 1, 2, 4, 8 or 16."""
    return 1 if layer == PIXELS else 2 ** (int(layer[4]) - 1)


def layer_channels(layer: str) -> int:
    """The number of features at each position of the layer."""
    return 3 if layer == PIXELS else CHANNELS[int(layer[4]) - 1]


class Frozen(nnx.Variable):
    """A weight that is part of the network's state but of no optimizer's."""


class VGG(nnx.Module):
    """VGG up to a deepest layer; a pytree, so it is an argument of jitted functions.

    Args:
        kernels: {"conv1_1": f32[3, 3, c_in, c_out], ...} in network order.
        biases: {"conv1_1": f32[c_out], ...}.
        matrix, offset: f32[3, 3] and f32[3]; `rgb @ matrix + offset` is what the weights expect.
        deepest: nothing beyond this layer is kept; None keeps all that there are kernels for.
        pooling: "average" (smoother images, Gatys 2016 section 2) or "max" (as trained).
        padding: border of the first convolution, "replicate" or "zeros". Replication keeps the
            image's rim from looking like a dark frame to the network; deeper layers see zeros.
        convolution: "direct", "winograd", or "auto": Winograd on CPU, for all but the first.
    """

    def __init__(
        self,
        kernels: Mapping[str, np.ndarray],
        biases: Mapping[str, np.ndarray],
        matrix: np.ndarray,
        offset: np.ndarray,
        *,
        deepest: str | None = None,
        pooling: str = "average",
        padding: str = "replicate",
        convolution: str = "auto",
    ):
        names = list(kernels)
        wanted = names[: names.index(deepest.replace("relu", "conv")) + 1] if deepest else names
        on_cpu = jax.default_backend() == "cpu"
        fast = convolution == "winograd" or (convolution == "auto" and on_cpu)
        self.pooling, self.padding = pooling, padding
        self.layers = tuple(name.replace("conv", "relu") for name in wanted)
        self.matrix, self.offset = Frozen(jnp.asarray(matrix)), Frozen(jnp.asarray(offset))
        filters, bias = {}, {}
        for name in wanted:
            filters[name] = Frozen(filter_bank(kernels[name], fast))
            bias[name] = Frozen(jnp.asarray(biases[name]))
        self.filters, self.biases = nnx.Dict(filters), nnx.Dict(bias)

    def __call__(
        self, image: jax.Array, layers: Sequence[str], precision: Precision = FLOAT32
    ) -> dict[str, jax.Array]:
        """Features of the layers asked for; nothing above the deepest of them is computed.

        Raises:
            ValueError: for a layer that the network does not have.
        """
        x, names = self.enter(image), self.up_to(layers)
        features, _ = self.pass_through(x, names, layers, precision)
        return features | ({PIXELS: image} if PIXELS in layers else {})

    def enter(self, image: jax.Array) -> jax.Array:
        """f32[h, w, 3], the image as the weights expect it."""
        colors = jnp.matmul(image, self.matrix[...], precision="highest")
        return colors + self.offset[...][None, None]

    def up_to(self, layers: Sequence[str]) -> tuple[str, ...]:
        """All of the network's layers up to the deepest of those.

        Raises:
            ValueError: for a layer that the network does not have.
        """
        missing = set(layers) - set(self.layers) - {PIXELS}
        if missing:
            raise ValueError(f"the network ends at {self.layers[-1]}: no {', '.join(missing)}")
        depth = max((self.layers.index(x) + 1 for x in layers if x != PIXELS), default=0)
        return self.layers[:depth]

    def blocks_up_to(self, layers: Sequence[str]) -> list[tuple[str, ...]]:
        """The same, a tuple for each block."""
        return [tuple(names) for _, names in groupby(self.up_to(layers), key=layer_stride)]

    def pass_through(
        self,
        x: jax.Array,
        names: Sequence[str],
        wanted: Sequence[str],
        precision: Precision = FLOAT32,
    ) -> tuple[dict[str, jax.Array], jax.Array]:
        """({layer: features} of what is wanted, what comes out at the end) of successive layers.

        What comes out of the last layer of a block is pooled.

        Args:
            x: what came out before the first of `names`, or of `enter`.
        """
        features = {}
        for name in names:
            conv = name.replace("relu", "conv")
            filters: FilterBank = self.filters[conv].get_value()
            border = 1
            if name == "relu1_1" and self.padding == "replicate":
                x, border = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge"), 0
            # bfloat16 tells fewer levels apart than a picture has; three channels cost little.
            here = FLOAT32 if name == "relu1_1" else precision
            x = convolve_relu(x, filters, self.biases[conv][...], border, here)
            if name in wanted:
                features[name] = x
            deeper = self.layers[self.layers.index(name) + 1 :]
            if deeper and layer_stride(deeper[0]) > layer_stride(name):
                x = pool(x, self.pooling)
        return features, x


def pool(x: jax.Array, pooling: str) -> jax.Array:
    """[h, w, c] -> [h // 2, w // 2, c] of the same dtype; an odd last row or column is dropped."""
    if pooling == "max":
        return _max_pool(x)
    return (sum(corners(x), jnp.zeros(())) / 4).astype(x.dtype)  # added up in float32


def corners(x: Array) -> list[Array]:
    """The four pixels of each 2x2 window in reading order, four times f32[h // 2, w // 2, ...]."""
    height, width = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    return [x[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]


@jax.custom_vjp
def _max_pool(x):
    return reduce(jnp.maximum, corners(x))


def _max_pool_forward(x):
    y = _max_pool(x)
    return y, (x, y)


def _max_pool_backward(residual, cotangent):
    # The first of equals gets all, as in PyTorch. Automatic differentiation counts the equals and
    # divides, which takes five times as long.
    x, y = residual
    height, width, channels = y.shape
    free, parts = jnp.ones(y.shape, bool), []
    for corner in corners(x):
        parts.append(jnp.where(free & (corner == y), cotangent, 0))
        free &= corner != y
    rows = [jnp.stack(parts[i : i + 2], 2) for i in (0, 2)]  # [h, w, 2, c]
    gradient = jnp.stack(rows, 1).reshape(2 * height, 2 * width, channels)
    odd = ((0, x.shape[0] % 2), (0, x.shape[1] % 2), (0, 0))
    return (jnp.pad(gradient, odd),)


_max_pool.defvjp(_max_pool_forward, _max_pool_backward)
