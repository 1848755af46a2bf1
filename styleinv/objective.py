"""What is minimized: a weighted sum of named terms of an image and its features.

    objective(image f32[h, w, 3], features {layer: f32[h_l, w_l, c_l]}) -> (f32[], {name: f32[]})

Targets and weights are leaves of the pytree: changing them compiles nothing anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.statistics import STATISTICS, distance, square
from styleinv.style import Style, measure, moments_of
from styleinv.vgg import VGG, layer_stride

LAYER_WEIGHTS = (
    "fine",
    "normalized",
    "equalized",
    "gatys",
    "novak",
    "inverse_channels",
    "plain",
)


class Term(Protocol):
    """One part of an objective: {"": total of the term, "/part": share of it, ...}."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose features it looks at."""
        ...

    def __call__(
        self, image: jax.Array, features: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]: ...


class Objective(NamedTuple):
    """Terms by name. The values reported are the weighted ones; they add up to the loss."""

    terms: Mapping[str, Term]

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that some term looks at, in order of their names."""
        return tuple(sorted({layer for term in self.terms.values() for layer in term.layers}))

    def __call__(
        self, image: jax.Array, features: Mapping[str, jax.Array]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        values = {
            name + part: value
            for name, term in self.terms.items()
            for part, value in term(image, features).items()
        }
        return sum((values[name] for name in self.terms), jnp.zeros(())), values


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("targets", "weights"),
    meta_fields=("statistic",),
)
@dataclass(frozen=True)
class StyleTerm:
    """sum_l weight_l |embedding_l(image) - target_l|^2, with one part per layer.

    Attributes:
        targets: {layer: embedding of the target's moments}.
        weights: {layer: f32[]}, see `layer_weights`.
        statistic: a key of `STATISTICS`.
    """

    targets: Mapping[str, tuple[jax.Array, ...]]
    weights: Mapping[str, jax.Array]
    statistic: str

    @property
    def layers(self):
        return tuple(self.targets)

    def dispersion(self, style: Style) -> float | None:
        """sum_l weight_l spread_l: what the per-image sum of the literature has on top.

        None where the statistic is not linear in the moments.
        """
        spread = STATISTICS[self.statistic].spread
        if spread is None:
            return None
        return sum(float(w) * float(spread(style.moments[k])) for k, w in self.weights.items())

    def __call__(self, image, features):
        embed = STATISTICS[self.statistic].embed
        parts = {
            f"/{layer}": self.weights[layer] * distance(embed(moments_of(features[layer])), target)
            for layer, target in self.targets.items()
        }
        return {"": sum(parts.values(), jnp.zeros(()))} | parts


@partial(jax.tree_util.register_dataclass, data_fields=("weight",), meta_fields=())
@dataclass(frozen=True)
class TotalVariationTerm:
    """weight times the mean squared difference of neighboring pixels, both directions summed."""

    weight: jax.Array

    @property
    def layers(self):
        return ()

    def __call__(self, image, features):
        rows, columns = image[1:] - image[:-1], image[:, 1:] - image[:, :-1]
        return {"": self.weight * ((rows**2).mean() + (columns**2).mean())}


def style_term(
    style: Style,
    layers: Sequence[str],
    statistic: str,
    preset: str,
    *,
    factors: Sequence[float] = (),
    start: Mapping[str, tuple[jax.Array, ...]] | None = None,
) -> StyleTerm:
    """The term that pulls an image towards a style; see `layer_weights` for the arguments."""
    targets = style_targets(style, layers, statistic)
    return StyleTerm(
        targets, layer_weights(preset, targets, factors=factors, start=start), statistic
    )


def style_targets(
    style: Style, layers: Sequence[str], statistic: str
) -> dict[str, tuple[jax.Array, ...]]:
    """{layer: embedding}, float32 on the device."""
    embed = STATISTICS[statistic].embed
    return {
        layer: embed(jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), style.moments[layer]))
        for layer in layers
    }


def image_targets(
    network: VGG, image: np.ndarray, layers: Sequence[str], statistic: str
) -> dict[str, tuple[jax.Array, ...]]:
    """{layer: embedding} of one image, to weigh layers by or to compare with."""
    style = measure(network, image, layers, resolution=image.shape[0])
    return style_targets(style, layers, statistic)


def layer_weights(
    preset: str,
    targets: Mapping[str, tuple[jax.Array, ...]],
    *,
    factors: Sequence[float] = (),
    start: Mapping[str, tuple[jax.Array, ...]] | None = None,
) -> dict[str, jax.Array]:
    """{layer: f32[]}: how much each layer counts.

    Args:
        preset: with L layers of N channels each, the d-th of them at depth d = 1 .. L,
            "fine": as "normalized", times a share that falls with the stride of the layer. Deep
                layers have too few positions to match a mixture of many images, and left alone
                they take the optimizer's attention from lines and flat areas (docs/settings.md);
            "normalized": 1 / (L |target|^2), independent of weights, size and layer;
            "equalized": 1 / (L |start - target|^2), every layer starts at 1 / L (He et al. 2016);
            "gatys": 1 / (4 L N^2), equations 4 and 5 of Gatys et al. 2016 for mean Grams;
            "novak": 2^(L - d) / (4 N^2), Novak & Nikulin 2016, section 3.1;
            "inverse_channels": 1 / N^2;
            "plain": 1.
        targets: {layer: embedding}, shallow to deep.
        factors: one further factor per layer; none means all 1.
        start: {layer: embedding} of the start image; "equalized" needs it.

    Raises:
        ValueError: for an unknown preset or a wrong number of factors.
    """
    if preset not in LAYER_WEIGHTS:
        raise ValueError(f"`preset` (={preset}) must be one of {', '.join(LAYER_WEIGHTS)}")
    if factors and len(factors) != len(targets):
        raise ValueError(f"`factors` has {len(factors)} numbers for {len(targets)} layers")
    count = len(targets)
    strides = sum(1 / layer_stride(layer) for layer in targets)
    weights = {}
    for depth, (layer, target) in enumerate(targets.items(), 1):
        channels = target[0].shape[0]
        if preset == "fine":
            weight = 1 / (layer_stride(layer) * strides * square(target))
        elif preset == "normalized":
            weight = 1 / (count * square(target))
        elif preset == "equalized":
            if start is None:
                raise ValueError("`start` is needed for the layer weights `equalized`")
            weight = 1 / (count * distance(start[layer], target))
        else:
            weight = {
                "gatys": 1 / (4 * count * channels**2),
                "novak": 2.0 ** (count - depth) / (4 * channels**2),
                "inverse_channels": 1 / channels**2,
                "plain": 1.0,
            }[preset]
        factor = factors[depth - 1] if factors else 1.0
        weights[layer] = jnp.asarray(factor * weight, jnp.float32)
    return weights
