"""What is minimized: a weighted sum of named terms of an image and its features.

    objective(image f32[h, w, 3], features {layer: f32[h_l, w_l, c_l]}) -> (f32[], {name: f32[]})

Targets and weights are leaves of the pytree: changing them compiles nothing anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.layer_weights import layer_weights
from styleinv.statistics import STATISTICS, distance
from styleinv.style import Moments, Style, measure, moments_of
from styleinv.vgg import VGG

CONTENT_NORMALIZATIONS = ("relative", "gatys", "mean")
Features = Mapping[str, jax.Array] | Mapping[str, Moments]  # moments for style terms without masks


class Term(Protocol):
    """One part of an objective: {"": total of the term, "/part": share of it, ...}."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose features it looks at."""
        ...

    def only(self, layers: Sequence[str]) -> "Term | None":
        """The share of it that looks at these layers; of no layers: at the image alone."""
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
        """See `Term.only`; the shares of all layers, and of none, add up to the whole."""
        shares = {name: term.only(layers) for name, term in self.terms.items()}
        return Objective({name: term for name, term in shares.items() if term is not None})

    def __call__(
        self, image: jax.Array, features: Features
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        values = {
            name + part: value
            for name, term in self.terms.items()
            for part, value in term(image, features).items()
        }
        return sum((values[name] for name in self.terms), jnp.zeros(())), values


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

    def __call__(self, image, features):
        embed = STATISTICS[self.statistic].embed
        masks = self.masks or dict.fromkeys(self.targets)
        parts = {
            f"/{layer}": self.weights[layer]
            * distance(embed(self._moments(features[layer], masks[layer])), target)
            for layer, target in self.targets.items()
        }
        return {"": sum(parts.values(), jnp.zeros(()))} | parts

    @staticmethod
    def _moments(features: jax.Array | Moments, mask: jax.Array | None) -> Moments:
        return features if isinstance(features, Moments) else moments_of(features, mask)


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
        shares = {region: term.only(layers) for region, term in self.regions.items()}
        kept = {region: term for region, term in shares.items() if term is not None}
        return RegionsTerm(kept) if kept else None

    def dispersion(self, styles: Mapping[str, Style]) -> float | None:
        """The sum of those of the regions, of which {region: style}; see `StyleTerm`."""
        found = [term.dispersion(styles[region]) for region, term in self.regions.items()]
        return sum(each for each in found if each is not None) if None not in found else None

    def __call__(self, image, features):
        found = {region: term(image, features) for region, term in self.regions.items()}
        parts = dict.fromkeys(part for each in found.values() for part in each)
        total = {
            part: sum((each[part] for each in found.values() if part in each), jnp.zeros(()))
            for part in parts
        }
        return total | {f"@{region}": each[""] for region, each in found.items()}


@partial(jax.tree_util.register_dataclass, data_fields=("targets", "weights"), meta_fields=())
@dataclass(frozen=True)
class ContentTerm:
    """sum_l weight_l sum (features_l - target_l)^2, with one part per layer.

    Attributes:
        targets: {layer: f32[h_l, w_l, c_l]}, the features of the photograph.
        weights: {layer: f32[]}, see `content_term`.
    """

    targets: Mapping[str, jax.Array]
    weights: Mapping[str, jax.Array]

    @property
    def layers(self):
        return tuple(self.targets)

    def only(self, layers):
        kept = [layer for layer in self.targets if layer in layers]
        weights = {layer: self.weights[layer] for layer in kept}
        return ContentTerm({k: self.targets[k] for k in kept}, weights) if kept else None

    def __call__(self, image, features):
        parts = {
            f"/{layer}": self.weights[layer] * ((features[layer] - target) ** 2).sum()
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

    def only(self, layers):
        return None if layers else self

    def __call__(self, image, features):
        rows, columns = image[1:] - image[:-1], image[:, 1:] - image[:, :-1]
        return {"": self.weight * ((rows**2).mean() + (columns**2).mean())}


def content_term(
    features: Mapping[str, jax.Array], normalization: str, weight: float = 1.0
) -> ContentTerm:
    """The term that holds an image to a photograph.

    Args:
        features: {layer: f32[h_l, w_l, c_l]} of the photograph.
        normalization: what squared differences are multiplied by, at each of L layers,
            "relative": 100 / (L sum target^2), independent of weights, size and layer; that puts
                the usual range of alpha / beta, 1e-1 to 1e-5, where it is in the literature;
            "gatys": 1 / (2 L), equation 1 of Gatys et al. 2016, which grows with the size;
            "mean": 1 / (L M N), the mean over M positions and N channels.
        weight: of the whole term.

    Raises:
        ValueError: for an unknown normalization.
    """
    if normalization not in CONTENT_NORMALIZATIONS:
        options = ", ".join(CONTENT_NORMALIZATIONS)
        raise ValueError(f"`normalization` (={normalization}) must be one of {options}")
    divisor: Callable[[jax.Array], Any] = {
        "relative": lambda target: (target**2).sum() / 100,
        "gatys": lambda target: 2.0,
        "mean": lambda target: target.size,
    }[normalization]
    weights = {
        layer: jnp.asarray(weight / (len(features) * divisor(target)), jnp.float32)
        for layer, target in features.items()
    }
    return ContentTerm(dict(features), weights)


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
