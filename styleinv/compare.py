"""How far one style is from another, in every statistic and at every layer.

    distances(style, known) -> {statistic: {layer: |e(style) - e(known)|^2 / |e(known)|^2}}

where e is the statistic's embedding. 0 is the same style; 1 is as far as no features at all.
"""

from collections.abc import Mapping, Sequence

import jax

from styleinv.statistics import STATISTICS, distance, square
from styleinv.style import Moments, Style


@jax.jit
def _relative(moments: Moments, known: Moments) -> dict[str, jax.Array]:
    found = {}
    for name, statistic in STATISTICS.items():
        target = statistic.embed(known)
        found[name] = distance(statistic.embed(moments), target) / square(target)
    return found


def distances(
    style: Style, known: Style, layers: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """{statistic: {layer: squared distance, relative to the known style}}.

    Args:
        layers: those to compare; empty: all of the known style.
    """
    layers = layers or known.layers
    found = {
        layer: jax.device_get(_relative(_float32(style, layer), _float32(known, layer)))
        for layer in layers
    }
    return {name: {layer: float(found[layer][name]) for layer in layers} for name in STATISTICS}


def totals(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """{statistic: mean over the layers} of `distances`."""
    return {name: sum(row.values()) / len(row) for name, row in found.items()}


def _float32(style: Style, layer: str) -> Moments:
    return jax.tree.map(lambda x: jax.numpy.asarray(x, "float32"), style.moments[layer])
