"""The objective for little memory: block by block, and large blocks strip by strip.

Of each block of the network only what enters it is kept; its features are computed again when their
gradient is due. Where nothing but their moments counts, which are sums over positions, a strip of
rows at a time is enough for both.
"""

from collections.abc import Sequence
from itertools import groupby

import jax
import jax.numpy as jnp

from styleinv.objective import Objective, StyleTerm
from styleinv.precision import FLOAT32, Precision
from styleinv.style import Moments, moments_of
from styleinv.vgg import VGG, layer_channels, layer_stride

# Features of a layer computed at a time. Fewer would save little beside what is kept of the whole
# image, and compute more of the rows that two strips share.
FEATURES = 2**24

Loss = tuple[jax.Array, dict[str, jax.Array]]  # and its terms


def evaluate(
    network: VGG,
    objective: Objective,
    image: jax.Array,
    precision: Precision = FLOAT32,
    *,
    strips: bool = True,
) -> Loss:
    """What `objective(image, network(image, ...))` is.

    Args:
        precision: of the convolutions.
        strips: False computes blocks as wholes: for an image whose rows are on several devices.
    """
    loss, values = objective.only(())(image, {})
    x = network.enter(image)
    for _, group in groupby(network.up_to(objective.layers), key=layer_stride):
        names = tuple(group)
        share, rows = objective.only(names), _strip_rows(names, x.shape[1])
        if strips and rows < x.shape[0] and _counts_moments(share):
            moments, x = _measure_strips(network, x, names, share.layers, rows, precision)
            part, more = share(jnp.zeros(()), moments)
        else:
            (part, more), x = _block(x, network, share, names, precision)
            x = x + 0 * part
        loss = loss + part
        values |= {name: values.get(name, 0.0) + value for name, value in more.items()}
    return loss, values


def _counts_moments(share: Objective) -> bool:
    """Whether all of it is a function of the moments of whole layers."""
    return all(isinstance(t, StyleTerm) and not t.masks for t in share.terms.values())


def _strip_rows(names: Sequence[str], width: int) -> int:
    """Rows of a strip, an even number; no fewer than it shares with one neighbor."""
    each = width * layer_channels(names[0])
    return max(FEATURES // each // 2 * 2, _shared_rows(names))


def _shared_rows(names: Sequence[str]) -> int:
    """Rows beyond a strip that its layers look at; even, for the pooling after them."""
    return len(names) + len(names) % 2


def _measure_strips(
    network: VGG,
    x: jax.Array,
    names: Sequence[str],
    wanted: Sequence[str],
    rows: int,
    precision: Precision,
) -> tuple[dict[str, Moments], jax.Array]:
    """({layer: moments}, what comes out at the end) of the layers of one block.

    Args:
        x: f32[h, w, c], what enters the block.
        rows: of a strip.
    """
    height, margin = x.shape[0], _shared_rows(names)
    count = -(-height // rows)
    edges = (margin, margin + count * rows - height), (0, 0), (0, 0)
    replicates = names[0] == "relu1_1" and network.padding == "replicate"
    x = jnp.pad(x, edges, mode="edge" if replicates else "constant")
    own = x[margin:-margin].reshape(count, rows, *x.shape[1:])
    above = jnp.concatenate([x[None, :margin], own[:-1, -margin:]])
    below = jnp.concatenate([own[1:, :margin], x[None, -margin:]])

    def measure(strip):
        x, first = strip
        here = first - margin + jnp.arange(x.shape[0])
        inside = ((here >= 0) & (here < height))[:, None, None]
        found = {}
        for name in names:
            features, x = network.pass_through(x, (name,), (name,), precision)
            # Beyond the image, the next convolution sees zeros, and no position counts.
            seen = jnp.where(inside, features[name], 0)
            if name in wanted:
                found[name] = moments_of(seen[margin:-margin])
            x = seen if name != names[-1] else x
        shrunk = inside.shape[0] // x.shape[0]  # 2 after pooling
        return found, x[margin // shrunk : -margin // shrunk]

    strips = jnp.concatenate([above, own, below], axis=1), rows * jnp.arange(count)
    moments, x = jax.lax.map(jax.checkpoint(measure, prevent_cse=False), strips)
    shrunk = rows // x.shape[1]
    # Each strip's are means over its rows, those beyond the image included.
    means = jax.tree.map(lambda m: m.sum(0) * (rows / height), moments)
    return means, x.reshape(-1, *x.shape[2:])[: height // shrunk]


def _pass_block(
    x: jax.Array, network: VGG, share: Objective, names: Sequence[str], precision: Precision
) -> tuple[Loss, jax.Array]:
    features, x = network.pass_through(x, names, share.layers, precision)
    return share(jnp.zeros(()), features), x


def _block_forward(x, network, share, names, precision):
    return _pass_block(x, network, share, names, precision), (x, network, share)


def _block_backward(names, precision, residual, cotangent):
    x, network, share = residual
    # XLA would see that this was computed before, and keep that instead: on CPU no barrier lasts.
    # A zero that it cannot know makes it new, and lets it begin only when the cotangent is there.
    x = x + 0 * cotangent[1].reshape(-1)[0]
    _, pull = jax.vjp(lambda x: _pass_block(x, network, share, names, precision), x)
    return (*pull(cotangent), None, None)


_block = jax.custom_vjp(_pass_block, nondiff_argnums=(3, 4))
_block.defvjp(_block_forward, _block_backward)
