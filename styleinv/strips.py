"""A look at a large image in little memory: large blocks of the network strip by strip.

Moments are sums over positions. So a block whose features would fill the memory is computed a strip
of rows at a time; of the whole image there is only what enters it.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from styleinv.compiler_options import FRUGAL
from styleinv.gram import moments
from styleinv.precision import FLOAT32, Precision
from styleinv.vgg import PIXELS, VGG, layer_channels

# Features of a layer computed at a time. Fewer would save little beside what is kept of the whole
# image, and compute more of the rows that two strips share.
FEATURES = 2**23

# {region: {layer: f32[h_l, w_l] that sums to 1, how much each position counts; None: all alike}}
Shares = Mapping[str, Mapping[str, jax.Array | None]]
# {region: {layer: (mean f32[c], second moment f32[c, c])}}
Found = dict[str, dict[str, tuple[jax.Array, jax.Array]]]


def look(
    network: VGG, image: jax.Array, shares: Shares, whole: Sequence[str] = ()
) -> tuple[Found, dict[str, jax.Array]]:
    """The moments of the layers that each region has shares of, and features of others as wholes.

    Args:
        image: f32[h, w, 3] in [0, 1].
        whole: layers whose features are asked for.
    """
    found: Found = {region: {} for region in shares}
    layers = dict.fromkeys(layer for each in (*shares.values(), whole) for layer in each)
    features = {PIXELS: image}
    _extend(found, measure_features(features, _of(shares, (PIXELS,))))
    x = network.enter(image)
    for names in network.blocks_up_to(tuple(layers)):
        here, rows = _of(shares, names), strip_rows(names, *x.shape[:2])
        if rows < x.shape[0] and not set(names) & set(whole):
            more, x = measure_block(network, x, names, here, rows)
        else:
            seen, x = network.pass_through(x, names, tuple(layers))
            more = measure_features(seen, here)
            features |= {name: seen[name] for name in names if name in whole}
        _extend(found, more)
    return found, {name: features[name] for name in whole}


@partial(jax.jit, static_argnames="layers", compiler_options=FRUGAL)
def extract(network: VGG, image: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
    """{layer: features}, compiled: for use outside of a larger jitted function."""
    return look(network, image, {}, layers)[1]


def is_large(height: int, width: int) -> bool:
    """Whether some block of the network has strips."""
    return strip_rows(("relu1_1", "relu1_2"), height, width) < height


def measure_features(features: Mapping[str, jax.Array], shares: Shares, part: float = 1.0) -> Found:
    """The moments of features, or the part of them that comes from a part of the positions."""
    return {
        region: {layer: moments(features[layer], share, part) for layer, share in each.items()}
        for region, each in shares.items()
    }


def strip_rows(names: Sequence[str], height: int, width: int) -> int:
    """Rows of a strip, an even number; no fewer than it shares with one neighbor.

    Args:
        names: the layers of a block.
        height, width: of what enters it.
    """
    shared = _shared_rows(names)
    most = max(FEATURES // (width * layer_channels(names[0])), shared)
    count = -(-height // most)
    return max(-(-height // (2 * count)) * 2, shared)


def _shared_rows(names: Sequence[str]) -> int:
    """Rows beyond a strip that its layers look at; even, for the pooling after them."""
    return len(names) + len(names) % 2


def measure_block(
    network: VGG,
    x: jax.Array,
    names: Sequence[str],
    shares: Shares,
    rows: int,
    precision: Precision = FLOAT32,
) -> tuple[Found, jax.Array]:
    """(moments, what comes out at the end) of the layers of one block, strip by strip.

    The gradient is computed strip by strip too, each computed again for it.

    Args:
        x: f32[h, w, c], what enters the block.
        rows: of a strip.
    """
    # Each of `count` strips has rows of its own, and a margin of its neighbors' on either side; the
    # last ends beyond the image.
    height, margin = x.shape[0], _shared_rows(names)
    count = -(-height // rows)
    beyond = count * rows - height
    replicates = names[0] == "relu1_1" and network.padding == "replicate"
    edges = (margin, margin + beyond), (0, 0), (0, 0)
    x = jnp.pad(x, edges, mode="edge" if replicates else "constant")
    own = x[margin:-margin].reshape(count, rows, *x.shape[1:])
    above = jnp.concatenate([x[None, :margin], own[:-1, -margin:]])
    below = jnp.concatenate([own[1:, :margin], x[None, -margin:]])

    def cut(share):  # as the rows are; beyond the image, no position counts
        return jnp.pad(share, ((0, beyond), (0, 0))).reshape(count, rows, -1)

    def measure_strip(strip):
        x, first, shares = strip
        here = first - margin + jnp.arange(x.shape[0])  # rows of the image, or beyond it
        inside = ((here >= 0) & (here < height))[:, None, None]
        found: Found = {region: {} for region in shares}
        for name in names:
            features, x = network.pass_through(x, (name,), (name,), precision)
            # Beyond the image, the next convolution sees zeros, and no position counts.
            seen = jnp.where(inside, features[name], 0)
            # Without a share, each strip counts for its rows, those beyond the image included.
            seen_here = {name: seen[margin:-margin]}
            _extend(found, measure_features(seen_here, _of(shares, (name,)), rows / height))
            x = seen if name != names[-1] else x
        stride = inside.shape[0] // x.shape[0]  # 2 after pooling
        return found, x[margin // stride : -margin // stride]

    strips = jnp.concatenate([above, own, below], axis=1)
    starts = rows * jnp.arange(count)
    each, x = jax.lax.map(
        jax.checkpoint(measure_strip, prevent_cse=False),
        (strips, starts, jax.tree.map(cut, shares)),
    )
    found = jax.tree.map(lambda parts: parts.sum(0), each)
    stride = rows // x.shape[1]
    return found, x.reshape(-1, *x.shape[2:])[: height // stride]


def _of(shares: Shares, layers: Sequence[str]) -> Shares:
    return {k: {x: each[x] for x in layers if x in each} for k, each in shares.items()}


def _extend(found: Found, more: Found) -> None:
    for region, layers in more.items():
        found[region] |= layers
