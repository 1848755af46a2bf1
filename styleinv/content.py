"""The term of an objective that holds an image to a photograph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

CONTENT_NORMALIZATIONS = ("relative", "gatys", "mean")


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


def content_term(
    features: Mapping[str, jax.Array], normalization: str, weight: float
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
