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

from styleinv.layer_weights import layer_weights
from styleinv.statistics import STATISTICS, distance
from styleinv.strips import Found, Shares, measure_features
from styleinv.style import Style, measure, of_one, shares_of
from styleinv.vgg import VGG

Features = Mapping[str, jax.Array]


class Term(Protocol):
    """One part of an objective: {"": total of the term, "/part": a part of that, ...}."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose features it looks at."""
        ...

    def only(self, layers: Sequence[str]) -> "Term | None":
        """The part of it that looks at these layers; of no layers: at the image alone."""
        ...

    def __call__(self, image: jax.Array, features: Features) -> dict[str, jax.Array]: ...


class Objective(NamedTuple):
    """Terms by name. The values reported are the weighted ones; they add up to the loss."""

    terms: Mapping[str, Term]

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers that some term looks at, in order of their names."""
        return tuple(sorted({layer for term in self.terms.values() for layer in term.layers}))

    def only(self, layers: Sequence[str]) -> "Objective":
        """See `Term.only`; the parts of all layers, and of none, add up to the whole."""
        parts = {name: term.only(layers) for name, term in self.terms.items()}
        return Objective({name: term for name, term in parts.items() if term is not None})

    def __call__(
        self, image: jax.Array, features: Features
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        return weigh_up({name: term(image, features) for name, term in self.terms.items()})


def weigh_up(
    terms: Mapping[str, Mapping[str, jax.Array]],
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """(the sum, {term and part: value}) of {term: {part: value}}."""
    values = {name + part: x for name, found in terms.items() for part, x in found.items()}
    return sum((values[name] for name in terms), jnp.zeros(())), values


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("targets", "weights", "masks"),
    meta_fields=("statistic",),
)
@dataclass(frozen=True)
class StyleTerm:
    """sum_l weight_l |embedding_l(image) - target_l|^2, with one part per layer.

    Attributes:
        targets: {layer: embedding of the target's moments}.
        weights: {layer: f32[]}, see `layer_weights`.
        masks: {layer: f32[h_l, w_l]}, how much each position of the image counts; None counts all
            alike.
        statistic: a key of `STATISTICS`.
    """

    targets: Mapping[str, tuple[jax.Array, ...]]
    weights: Mapping[str, jax.Array]
    masks: Mapping[str, jax.Array] | None
    statistic: str

    @property
    def layers(self):
        return tuple(self.targets)

    def only(self, layers):
        kept = [layer for layer in self.targets if layer in layers]
        masks = self.masks and {layer: self.masks[layer] for layer in kept}
        weights = {layer: self.weights[layer] for layer in kept}
        targets = {layer: self.targets[layer] for layer in kept}
        return StyleTerm(targets, weights, masks, self.statistic) if kept else None

    def dispersion(self, style: Style) -> float | None:
        """sum_l weight_l spread_l: what the per-image sum of the literature has on top.

        None where the statistic is not linear in the moments.
        """
        spread = STATISTICS[self.statistic].spread
        if spread is None:
            return None
        return sum(float(w) * float(spread(style.moments[k])) for k, w in self.weights.items())

    @property
    def shares(self) -> Shares:
        """Whose moments it looks at: those of the region ""."""
        return shares_of({"": self.masks}, self.layers)

    def __call__(self, image, features):
        return self.of_moments(measure_features(features, self.shares))

    def of_moments(self, found: Found) -> dict[str, jax.Array]:
        """The term, of the moments of its shares."""
        embed = STATISTICS[self.statistic].embed
        parts = {
            f"/{layer}": self.weights[layer] * distance(embed(of_one(*found[""][layer])), target)
            for layer, target in self.targets.items()
        }
        return {"": sum(parts.values(), jnp.zeros(()))} | parts


@partial(jax.tree_util.register_dataclass, data_fields=("regions",), meta_fields=())
@dataclass(frozen=True)
class RegionsTerm:
    """The sum of one style term per region, by layer and by region.

    With weights in proportion to the regions' areas, each region is styled as if it were a picture
    of its own: the pull on a position does not depend on how large its region is.

    Attributes:
        regions: {region: term with masks}.
    """

    regions: Mapping[str, StyleTerm]

    @property
    def layers(self):
        return tuple({layer: None for term in self.regions.values() for layer in term.layers})

    def only(self, layers):
        parts = {region: term.only(layers) for region, term in self.regions.items()}
        kept = {region: term for region, term in parts.items() if term is not None}
        return RegionsTerm(kept) if kept else None

    def dispersion(self, styles: Mapping[str, Style]) -> float | None:
        """The sum of those of the regions, of which {region: style}; see `StyleTerm`."""
        found = [term.dispersion(styles[region]) for region, term in self.regions.items()]
        return sum(each for each in found if each is not None) if None not in found else None

    @property
    def shares(self) -> Shares:
        """Whose moments it looks at."""
        return {region: term.shares[""] for region, term in self.regions.items()}

    def __call__(self, image, features):
        return self.of_moments(measure_features(features, self.shares))

    def of_moments(self, found: Found) -> dict[str, jax.Array]:
        """The term, of the moments of its shares."""
        each = {k: term.of_moments({"": found[k]}) for k, term in self.regions.items()}
        parts = dict.fromkeys(part for one in each.values() for part in one)
        total = {
            part: sum((one[part] for one in each.values() if part in one), jnp.zeros(()))
            for part in parts
        }
        return total | {f"@{region}": one[""] for region, one in each.items()}


MomentsTerm = StyleTerm | RegionsTerm  # of features, moments are all that they look at


@partial(jax.tree_util.register_dataclass, data_fields=("weight",), meta_fields=())
@dataclass(frozen=True)
class TotalVariationTerm:
    """weight times the mean squared difference of neighboring pixels, both directions summed.

    A direction in which no pixel has a neighbor adds nothing.
    """

    weight: jax.Array

    @property
    def layers(self):
        return ()

    def only(self, layers):
        return None if layers else self

    def __call__(self, image, features):
        both = image[1:] - image[:-1], image[:, 1:] - image[:, :-1]
        return {"": self.weight * sum((x**2).sum() / max(1, x.size) for x in both)}


def style_term(
    style: Style,
    layers: Sequence[str],
    statistic: str,
    preset: str,
    *,
    factors: Sequence[float] = (),
    start: Mapping[str, tuple[jax.Array, ...]] | None = None,
    weight: float = 1.0,
    masks: Mapping[str, jax.Array] | None = None,
) -> StyleTerm:
    """The term that pulls an image, or a region of it, towards a style.

    Args:
        preset, factors, start: see `layer_weights`.
        weight: of the whole term.
        masks: see `StyleTerm`; layers that they, or the style, know nothing of are left out.
    """
    known = [k for k in layers if style.moments[k].weight and (masks is None or k in masks)]
    masks = masks and {layer: masks[layer] for layer in known}
    targets = style_targets(style, known, statistic)
    if factors:
        factors = [factor for layer, factor in zip(layers, factors, strict=True) if layer in known]
    weights = layer_weights(preset, targets, factors=factors, start=start)
    scaled = {layer: jnp.float32(weight) * one for layer, one in weights.items()}
    return StyleTerm(targets, scaled, masks, statistic)


def style_targets(
    style: Style, layers: Sequence[str], statistic: str
) -> dict[str, tuple[jax.Array, ...]]:
    """{layer: embedding}, float32 on the device."""
    moments = {layer: style.moments[layer] for layer in layers}
    return _embed(jax.tree.map(np.float32, moments), statistic)


@partial(jax.jit, static_argnames="statistic")
def _embed(moments, statistic):
    return {layer: STATISTICS[statistic].embed(each) for layer, each in moments.items()}


def image_targets(
    network: VGG,
    image: np.ndarray,
    layers: Sequence[str],
    statistic: str,
    masks: Mapping[str, jax.Array] | None = None,
) -> dict[str, tuple[jax.Array, ...]]:
    """{layer: embedding} of one image, to weigh layers by or to compare with."""
    style = measure(network, image, layers, resolution=image.shape[0], masks=masks)
    return style_targets(style, layers, statistic)
