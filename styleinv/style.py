"""A style is a distribution of features, kept as moments.

    image -> features f32[h, w, c] -> Moments (one layer) -> Style (all layers, one resolution)

Styles are additive: `merge` of the styles of two sets of images is the style of their union. A
dataset of any size is therefore one streaming pass in constant memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from styleinv.compiler_options import FRUGAL
from styleinv.strips import Shares, look
from styleinv.vgg import VGG, layer_channels

Array = Any  # np.ndarray in float64 on the host, jax.Array in float32 on the device


class Spread(NamedTuple):
    """How much the images of a style disagree, f[] each: sum_i a_i |x_i - x_mean|^2.

    One number for each linear function of the moments that an objective may compare.
    """

    mean: Array
    gram: Array
    shifted_gram: Array


class Moments(NamedTuple):
    """Weighted moments of the features of one layer.

    Attributes:
        weight: f[]; the total weight of the images seen.
        mean: f[c]; the mean feature.
        second: f[c, c]; the mean of f f^T, that is the Gram matrix over the number of positions.
        spread: the weighted squared distances of the single images from the mixture.
    """

    weight: Array
    mean: Array
    second: Array
    spread: Spread


@dataclass(frozen=True)
class Style:
    """What a set of images looks like at one resolution: {layer: Moments}."""

    resolution: int
    moments: Mapping[str, Moments]

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.moments)


def of_one(mean: jax.Array, second: jax.Array) -> Moments:
    """What is known of the features of one image; its spread is zero."""
    zero = jnp.zeros(())
    return Moments(jnp.ones(()), mean, second, Spread(zero, zero, zero))


@partial(jax.jit, static_argnames="layers", compiler_options=FRUGAL)
def _measure(network, image, regions, layers):
    return look(network, image, shares_of(regions, layers))[0]


def shares_of(
    regions: Mapping[str, Mapping[str, jax.Array] | None], layers: Sequence[str]
) -> Shares:
    """See `strips`: of each region's masks, at those of the layers that it has one for.

    Args:
        regions: {region: {layer: f32[h_l, w_l]}}, how much each position counts; normalized here,
            so that a large mask counts no more than a small one. None counts all positions alike,
            at all layers.
    """
    return {
        region: dict.fromkeys(layers)
        if masks is None
        else {layer: masks[layer] / masks[layer].sum() for layer in layers if layer in masks}
        for region, masks in regions.items()
    }


def measure(
    network: VGG,
    image: Array,
    layers: Sequence[str],
    *,
    resolution: int,
    weight: float = 1.0,
    masks: Mapping[str, jax.Array] | None = None,
) -> Style:
    """The style of one image, in float64 on the host; see `measure_regions`."""
    regions = {"": masks}
    return measure_regions(network, image, layers, regions, resolution=resolution, weight=weight)[
        ""
    ]


def measure_regions(
    network: VGG,
    image: Array,
    layers: Sequence[str],
    regions: Mapping[str, Mapping[str, jax.Array] | None],
    *,
    resolution: int,
    weight: float = 1.0,
) -> dict[str, Style]:
    """{region: style} of one image, in float64 on the host; the network sees it once.

    Args:
        image: f32[h, w, 3] in [0, 1].
        regions: {region: {layer: f32[h_l, w_l]}}, how much each position counts (see `regions`);
            None counts all alike. A region is unknown, of weight 0, at layers that it is without.
        resolution: the resolution that the image was loaded at, a label of the result.
        weight: how much the image counts when merged with others.
    """
    measured = jax.device_get(_measure(network, image, regions, tuple(layers)))
    styles = {}
    for region, found in measured.items():
        moments = {}
        for layer in layers:
            if layer in found:
                mean, second = (x.astype(np.float64) for x in found[layer])
                moments[layer] = Moments(np.float64(weight), mean, second, _no_spread())
            else:
                moments[layer] = unknown(layer_channels(layer))
        styles[region] = Style(resolution, moments)
    return styles


def unknown(channels: int) -> Moments:
    """The moments of no image at all: merged with others, they change nothing."""
    zeros = np.zeros(channels), np.zeros((channels, channels))
    return Moments(np.zeros(()), *zeros, _no_spread())


def _no_spread() -> Spread:
    return Spread(np.zeros(()), np.zeros(()), np.zeros(()))


def merge(*styles: Style) -> Style:
    """The style of the union of the images of several styles.

    Raises:
        ValueError: if the styles differ in resolution or layers.
    """
    first, *rest = styles
    for other in rest:
        if (other.resolution, other.layers) != (first.resolution, first.layers):
            raise ValueError(
                f"cannot merge a style of {other.layers} at {other.resolution} px with one of "
                f"{first.layers} at {first.resolution} px; measure both alike"
            )
    return Style(
        first.resolution,
        {
            layer: reduce(_merge_moments, (style.moments[layer] for style in styles))
            for layer in first.layers
        },
    )


def _merge_moments(a: Moments, b: Moments) -> Moments:
    """Means mix by weight; spreads also gain the distance between the two (Chan et al. 1983).

    Unlike a difference of two large sums of squares, this loses no digits when images agree.
    """
    weight = a.weight + b.weight
    if not weight:
        return a
    p, q = a.weight / weight, b.weight / weight
    d_mean, d_second = b.mean - a.mean, b.second - a.second
    d_shifted = shifted(d_mean, d_second) - 1.0  # the constant of the shift cancels
    between = Spread(*((d**2).sum() for d in (d_mean, d_second, d_shifted)))
    spread = Spread(
        *(p * x + q * y + p * q * z for x, y, z in zip(a.spread, b.spread, between, strict=True))
    )
    return Moments(weight, a.mean + q * d_mean, a.second + q * d_second, spread)


def shifted(mean: Array, second: Array) -> Array:
    """Second moment of activations less one (Novak & Nikulin 2016, section 3.2)."""
    return second - mean[:, None] - mean[None, :] + 1.0


def mix(styles: Iterable[Style]) -> Style:
    """`merge` of a stream, in constant memory.

    Raises:
        ValueError: if the stream is empty.
    """
    return reduce(merge, styles)
