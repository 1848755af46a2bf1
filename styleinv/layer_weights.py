"""How the layers of a style term are balanced: presets by name."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from styleinv.statistics import distance, square
from styleinv.vgg import layer_stride

LAYER_WEIGHTS = (
    "fine",
    "normalized",
    "equalized",
    "gatys",
    "novak",
    "inverse_channels",
    "pastiche",
    "plain",
)


# As one function: by themselves, its operations would be compiled for the shape of each target.
@partial(jax.jit, static_argnames="preset")
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
            "pastiche": 10 / N^4, as the program pastiche 1.6.0 has it;
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
                "pastiche": 10 / channels**4,
                "plain": 1.0,
            }[preset]
        factor = factors[depth - 1] if factors else 1.0
        weights[layer] = jnp.asarray(factor * weight, jnp.float32)
    return weights
