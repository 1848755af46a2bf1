"""The moments of a batch of images, summed up on the devices: one step for all of them.

    images f32[b, h, w, 3] -> {region: {layer: BatchMoments}}

The batch is dealt to the devices, each of which has the whole network; their sums are added.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from styleinv.compiler_options import FRUGAL
from styleinv.convolution import FilterBank, for_batches
from styleinv.gram import gram, product
from styleinv.strips import is_large, look
from styleinv.vgg import VGG

_BATCH = "batch"  # the mesh axis that batches are dealt along


class Counted(NamedTuple):
    """How much the images, and their positions, count at one layer.

    Attributes:
        weights: f32[b]; sum to 1, or are all zero.
        positions: f32[b, h_l, w_l]; those of an image sum to 1, or are all zero. None: all alike.
    """

    weights: Any
    positions: Any = None


class BatchMoments(NamedTuple):
    """The moments of one layer of a batch.

    Attributes:
        mean, second: f32[c] and f32[c, c]; weighted sums over the images.
        squares: f32[b, 3]; each image's own squared norms of mean, Gram matrix and shifted Gram
            matrix (see `style.Spread`), whatever it weighs.
    """

    mean: Any
    second: Any
    squares: Any


def mesh_of(devices: Sequence[Any]) -> Mesh:
    """The devices in a row."""
    return Mesh(np.array(devices), (_BATCH,), axis_types=(jax.sharding.AxisType.Auto,))


def to_all(mesh: Mesh, network: VGG) -> VGG:
    """The network on each of the devices, at its fastest for batches."""

    def is_bank(node: Any) -> bool:
        return isinstance(node, FilterBank)

    def prepare(leaf: Any) -> Any:
        return for_batches(leaf) if is_bank(leaf) else leaf

    prepared = jax.tree.map(prepare, network, is_leaf=is_bank)
    return jax.device_put(prepared, NamedSharding(mesh, P()))


def measure_batch(
    network: VGG,
    images: np.ndarray,
    counted: Mapping[str, Counted | Mapping[str, Counted]],
    layers: Sequence[str],
    mesh: Mesh,
) -> dict[str, dict[str, BatchMoments]]:
    """What each region finds at each layer; on the devices, perhaps still being computed.

    Args:
        network: as `to_all` gives it.
        images: f32[b, h, w, 3] in [0, 1]; b is a multiple of the number of devices.
        counted: {region: one for all layers, or {layer: its own}}.
    """
    images, counted = jax.device_put((images, counted), NamedSharding(mesh, P(_BATCH)))
    return _measure(network, images, counted, tuple(layers), mesh)


@partial(jax.jit, static_argnames=("layers", "mesh"), compiler_options=FRUGAL)
def _measure(network, images, counted, layers, mesh):
    each = BatchMoments(P(), P(), P(_BATCH))
    split = jax.shard_map(
        partial(_measure_share, layers=layers),
        mesh=mesh,
        in_specs=(P(), P(_BATCH), P(_BATCH)),
        out_specs={region: dict.fromkeys(layers, each) for region in counted},
        check_vma=False,
    )
    return split(network, images, counted)


def _measure_share(network, images, counted, layers):
    """What one device does: its share of the images."""
    each = {
        region: dict.fromkeys(layers, count) if isinstance(count, Counted) else count
        for region, count in counted.items()
    }
    if is_large(*images.shape[1:3]):
        return _measure_large(network, images, each)
    features = jax.vmap(lambda image: network(image, layers))(images)
    return {
        region: {layer: _moments(features[layer], count) for layer, count in counts.items()}
        for region, counts in each.items()
    }


def _measure_large(network, images, counted):
    """One image after the other, in strips."""
    shares = {
        region: {layer: count.positions for layer, count in counts.items()}
        for region, counts in counted.items()
    }
    found = jax.lax.map(lambda one: look(network, one[0], one[1])[0], (images, shares))
    summed = {}
    for region, counts in counted.items():
        each = found[region]
        summed[region] = {k: _sum(each[k][0], each[k][1], counts[k].weights) for k in counts}
    return summed


@jax.jit  # traced once for all layers of a shape
def _moments(features: jax.Array, counted: Counted) -> BatchMoments:
    """Of f32[b, h, w, c]; summed over all devices."""
    batch, height, width, channels = features.shape
    weights, positions = counted
    size = height * width
    x = features.reshape(batch, size, channels)
    # Of all positions alike, sums and products are divided instead: that saves passes over the
    # features. Unlike shares go in before, so that sums of large features cannot overflow.
    # For means rows first, then their sums: one long float32 sum loses digits.
    if positions is None:
        roots, scaled, per = jnp.full((batch, size), size**-0.5), x, 1 / size
        means = features.mean(2).mean(1)
    else:
        roots = jnp.sqrt(positions.reshape(batch, size))
        scaled, per = x * roots[:, :, None], 1.0
        means = (features * positions[:, :, :, None]).sum(2).sum(1)
    if size >= channels:
        return _sum(means, per * gram(scaled), weights)
    # A Gram matrix need not be known for its norm: that of the positions' inner products is equal.
    inner = per * product("bmc,bnc->bmn", scaled, scaled)
    sums = per**0.5 * scaled.sum(2)
    cross = sums[:, :, None] * roots[:, None, :]
    both = roots[:, :, None] * roots[:, None, :]
    shifted = inner - cross - cross.transpose(0, 2, 1) + channels * both
    weighted = (scaled * jnp.sqrt(per * weights)[:, None, None]).reshape(1, -1, channels)
    return _found(means, gram(weighted)[0], inner, shifted, weights)


def _sum(means: jax.Array, grams: jax.Array, weights: jax.Array) -> BatchMoments:
    """Of each image's moments, f32[b, c] and f32[b, c, c]; over all devices."""
    second = product("b,bij->ij", weights, grams)
    shifted = grams - means[:, :, None] - means[:, None, :] + 1
    return _found(means, second, grams, shifted, weights)


def _found(
    means: jax.Array, second: jax.Array, inner: jax.Array, shifted: jax.Array, weights: jax.Array
) -> BatchMoments:
    """Of the device's second moment, and what has the norms of the images' own."""
    squares = product("bc,bc->b", means, means), _norms(inner), _norms(shifted)
    mean = product("b,bc->c", weights, means)
    mean, second = jax.lax.psum((mean, second), _BATCH)
    return BatchMoments(mean, second, jnp.stack(squares, axis=1))


def _norms(matrices: jax.Array) -> jax.Array:
    """f32[b, m, n] -> f32[b]: squared Frobenius norms."""
    rows = product("bmn,bmn->bm", matrices, matrices)
    return rows.sum(1)
