"""What a picture starts from and is pulled towards, at each resolution.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from experiments.inputs import seen_at, stages_of
from experiments.validate import style_layers
from styleinv.config import Config

if TYPE_CHECKING:
    import jax
    import numpy as np

    from styleinv.objective import Objective, RegionsTerm, StyleTerm, Term
    from styleinv.style import Style
    from styleinv.vgg import VGG

Styles = Mapping[str, Mapping[int, "Style"]]  # {region: {resolution: style}}


class Problem(NamedTuple):
    """What differs between pictures.

    Attributes:
        start: resolution -> f32[h, w, 3].
        at: resolution -> (network, objective).
        dispersion: resolution -> the constant that the per-image style loss has on top, or None.
    """

    start: "Callable[[int], np.ndarray]"
    at: "Callable[[int], tuple[VGG, Objective]]"
    dispersion: Callable[[int], float | None]


class Place(NamedTuple):
    """Where in a picture a region is.

    Attributes:
        masks: {layer: f32[h_l, w_l]}, how much each position belongs to it.
        share: of the picture's area.
    """

    masks: "Mapping[str, jax.Array]"
    share: float


def places(
    config: Config, masks: "Mapping[str, np.ndarray]", shape: tuple[int, int], owner: str
) -> dict[str, Place]:
    """{region: place} of masks f32[any size], seen at (h, w).

    Args:
        owner: whose masks they are, for messages.

    Raises:
        InputError: if a region vanishes at some layer.
    """
    from styleinv import images, vgg
    from styleinv.regions import layer_masks

    names, found = vgg.layer_names(config.network.name), {}
    for region, mask in masks.items():
        seen, name = images.resize(mask, *shape), f"{owner} for the region {region}"
        inside = layer_masks(seen, style_layers(config), name, config.style.propagation, names)
        found[region] = Place(inside, float(seen.mean()))
    return found


def refuse_vanishing(
    config: Config,
    masks: "Mapping[str, np.ndarray]",
    shape_at: Callable[[int], tuple[int, int]],
    owner: str,
) -> None:
    """Raises an InputError for a region that vanishes at some layer, at some stage.

    Args:
        shape_at: resolution -> (h, w) of the picture.
    """
    for stage in stages_of(config):
        places(config, masks, shape_at(stage.resolution), owner)


def style_part(
    config: Config,
    network: "VGG",
    styles: Styles,
    placed: Mapping[str, Place],
    start: "Callable[[int], np.ndarray]",
    resolution: int,
) -> "StyleTerm | RegionsTerm":
    """The pull of the one style; or of each region's, in its place.

    Args:
        placed: empty for a single style that fills the picture.
        start: resolution -> f32[h, w, 3].
    """
    from styleinv.objective import RegionsTerm, image_targets, style_term

    layers, statistic = style_layers(config), config.style.statistic
    terms = {}
    for region, found in styles.items():
        masks, share = placed.get(region, Place({}, 1.0))
        begin = None
        if config.style.layer_weights == "equalized":
            begin = image_targets(network, start(resolution), layers, statistic, masks or None)
        terms[region] = style_term(
            found[seen_at(config, resolution)],
            layers,
            statistic,
            config.style.layer_weights,
            factors=config.style.layer_factors,
            start=begin,
            weight=config.beta * share,
            masks=masks or None,
        )
    return RegionsTerm(terms) if placed else next(iter(terms.values()))


def start_image(
    config: Config,
    styles: Styles,
    resolution: int,
    shape: tuple[int, int],
    seed: int,
) -> "np.ndarray":
    """f32[h, w, 3]: white noise in the styles' colors, or the picture to start from."""
    from styleinv import images
    from styleinv.noise import white_noise
    from styleinv.style import mix
    from styleinv.vgg import PIXELS

    if config.start.image != "noise":
        return images.resize(images.read(config.start.image), *shape)
    pixels = mix(found[seen_at(config, resolution)] for found in styles.values()).moments[PIXELS]
    return white_noise(config.start.noise, config.start.contrast, seed, *shape, pixels)


def objective(config: Config, style: "StyleTerm | RegionsTerm", **others: "Term") -> "Objective":
    """Style, what else there is, and smoothness."""
    import jax.numpy as jnp

    from styleinv.objective import Objective, TotalVariationTerm

    smooth = {"tv": TotalVariationTerm(jnp.float32(config.tv))} if config.tv else {}
    return Objective(others | {"style": style} | smooth)
