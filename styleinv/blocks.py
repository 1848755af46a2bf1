"""The objective for little memory: block by block, and large blocks strip by strip.

Of each block of the network only what enters it is kept; its features are computed again when their
gradient is due. Where nothing but their moments counts, which are sums over positions, a strip of
rows at a time is enough for both.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from styleinv.objective import MomentsTerm, Objective, weigh_up
from styleinv.precision import FLOAT32, Precision
from styleinv.strips import measure_block, strip_rows
from styleinv.vgg import VGG

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
    for names in network.blocks_up_to(objective.layers):
        part, rows = objective.only(names), strip_rows(names, *x.shape[:2])
        if strips and rows < x.shape[0] and (terms := _moments_terms(part)) is not None:
            (value, more), x = _strips(network, x, names, terms, rows, precision)
        else:
            (value, more), x = _block(x, network, part, names, precision)
            # A zero that XLA cannot know: the next block waits for this one's loss, after which the
            # features that it is made of are free. Without, all blocks' are there at once.
            x = x + 0 * value
        loss = loss + value
        values |= {name: values.get(name, 0.0) + each for name, each in more.items()}
    return loss, values


def _moments_terms(part: Objective) -> Mapping[str, MomentsTerm] | None:
    """Its terms; None if one of them looks at more than moments."""
    kept = {name: term for name, term in part.terms.items() if isinstance(term, MomentsTerm)}
    return kept if len(kept) == len(part.terms) else None


def _strips(
    network: VGG,
    x: jax.Array,
    names: Sequence[str],
    terms: Mapping[str, MomentsTerm],
    rows: int,
    precision: Precision,
) -> tuple[Loss, jax.Array]:
    each = {name: term.shares for name, term in terms.items()}
    shares = {f"{name}@{k}": share for name, own in each.items() for k, share in own.items()}
    found, x = measure_block(network, x, names, shares, rows, precision)
    values = {
        name: term.of_moments({k: found[f"{name}@{k}"] for k in each[name]})
        for name, term in terms.items()
    }
    return weigh_up(values), x


def _pass_block(
    x: jax.Array, network: VGG, part: Objective, names: Sequence[str], precision: Precision
) -> tuple[Loss, jax.Array]:
    features, x = network.pass_through(x, names, part.layers, precision)
    return part(jnp.zeros(()), features), x


def _block_forward(x, network, part, names, precision):
    return _pass_block(x, network, part, names, precision), (x, network, part)


def _block_backward(names, precision, residual, cotangent):
    x, network, part = residual
    # XLA would see that this was computed before, and keep that instead: on CPU no barrier lasts.
    # A zero that it cannot know makes it new, and lets it begin only when the cotangent is there.
    x = x + 0 * cotangent[1].reshape(-1)[0]
    _, pull = jax.vjp(lambda x: _pass_block(x, network, part, names, precision), x)
    return (*pull(cotangent), None, None)


_block = jax.custom_vjp(_pass_block, nondiff_argnums=(3, 4))
_block.defvjp(_block_forward, _block_backward)
