"""How far an image is from a style, in numbers that can be compared across layers and runs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from styleinv.compiler_options import FRUGAL
from styleinv.statistics import STATISTICS, distance, square
from styleinv.strips import look
from styleinv.style import Style, of_one, shares_of
from styleinv.vgg import VGG


@partial(jax.jit, static_argnames="statistic", compiler_options=FRUGAL)
def _relative(network, image, targets, statistic, masks):
    embed = STATISTICS[statistic].embed
    found, _ = look(network, image, shares_of({"": masks}, tuple(targets)))
    return {
        layer: distance(embed(of_one(*found[""][layer])), target) / square(target)
        for layer, target in targets.items()
    }


def relative_distances(
    network: VGG,
    image: np.ndarray,
    targets: Mapping[str, tuple],
    statistic: str,
    masks: Mapping[str, jax.Array] | None = None,
) -> dict[str, float]:
    """{layer: |embedding(image) - target|^2 / |target|^2}; 0 is a perfect match.

    Args:
        image: f32[h, w, 3] in [0, 1].
        targets: {layer: embedding}, see `objective.style_targets`.
        masks: {layer: f32[h_l, w_l]}, how much each position counts; None counts all alike.
    """
    found = jax.device_get(_relative(network, image, targets, statistic, masks))
    return {layer: float(found[layer]) for layer in targets}


@partial(jax.jit, compiler_options=FRUGAL)
def _content(network, image, targets):
    _, features = look(network, image, {}, tuple(targets))
    return {k: ((features[k] - t) ** 2).sum() / (t**2).sum() for k, t in targets.items()}


def content_distances(
    network: VGG, image: np.ndarray, targets: Mapping[str, jax.Array]
) -> dict[str, float]:
    """{layer: sum (features - target)^2 / sum target^2}; 0 is the photograph itself."""
    found = jax.device_get(_content(network, image, dict(targets)))
    return {layer: float(found[layer]) for layer in targets}


def relative_spread(style: Style, targets: Mapping[str, tuple], statistic: str) -> dict[str, float]:
    """{layer: weighted mean distance of the single images from their mixture}, on the same scale.

    Empty where it is not known (the statistic is not linear in the moments) or where there is
    nothing to disagree (a single image).
    """
    spread = STATISTICS[statistic].spread
    if spread is None:
        return {}
    found = {layer: float(spread(style.moments[layer]) / square(t)) for layer, t in targets.items()}
    return found if any(found.values()) else {}


def table(columns: Mapping[str, Mapping[str, float]], layers: Sequence[str]) -> dict[str, dict]:
    """{"layers": {layer: {column: value or None}}, "total": {column: mean over layers or None}}."""
    return {
        "layers": {
            layer: {name: column.get(layer) for name, column in columns.items()} for layer in layers
        },
        "total": {
            name: sum(column.values()) / len(column) if column else None
            for name, column in columns.items()
        },
    }


def average(values: Sequence[float | None]) -> float | None:
    """The mean; None if one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def average_tables(tables: Sequence[Mapping[str, Any]]) -> dict[str, dict]:
    """The mean of tables with the same columns, over those that have the layer; see `table`."""
    layers = dict.fromkeys(layer for each in tables for layer in each["layers"])
    rows = {k: [each["layers"][k] for each in tables if k in each["layers"]] for k in layers}

    def mean(rows):
        return {name: average([row[name] for row in rows]) for name in rows[0]}

    return {
        "layers": {layer: mean(found) for layer, found in rows.items()},
        "total": mean([each["total"] for each in tables]),
    }
