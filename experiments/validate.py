"""What the types of a config cannot say: names that exist, numbers in range, sizes that fit.

Every option is looked up where it is defined. The libraries are imported inside, so that `--help`
stays quick.
"""

import math

from styleinv.config import Config
from styleinv.errors import InputError, one_of

MODES = ("full", "in_place", "layout")
UNREADABLE = ("refuse", "skip")


def validate(config: Config) -> None:
    """Raises an InputError for a value that no part of the program knows."""
    from styleinv import (
        colors,
        layer_weights,
        minimize,
        noise,
        parameters,
        precision,
        regions,
        statistics,
        vgg,
    )
    from styleinv.content import CONTENT_NORMALIZATIONS

    one_of("config.network.name", config.network.name, vgg.BLOCKS)
    content, names = config.content, vgg.layer_names(config.network.name)
    options = [
        ("dataset.unreadable", config.dataset.unreadable, UNREADABLE),
        ("network.pooling", config.network.pooling, vgg.POOLINGS),
        ("network.padding", config.network.padding, vgg.PADDINGS),
        ("network.convolution", config.network.convolution, vgg.CONVOLUTIONS),
        ("network.precision", config.network.precision, precision.PRECISIONS),
        ("style.statistic", config.style.statistic, statistics.STATISTICS),
        ("style.mode", config.style.mode, MODES),
        ("style.propagation", config.style.propagation, regions.PROPAGATIONS),
        ("style.layer_weights", config.style.layer_weights, layer_weights.LAYER_WEIGHTS),
        ("content.normalization", content.normalization, CONTENT_NORMALIZATIONS),
        ("content.original_colors", content.original_colors, colors.ORIGINAL_COLORS),
        ("optimizer.name", config.optimizer.name, minimize.SOLVERS),
        ("optimizer.parameters", config.optimizer.parameters, parameters.PARAMETERS),
        ("start.noise", config.start.noise, noise.NOISES),
        *(("style.layers", layer, names) for layer in config.style.layers),
        *(("content.layers", layer, names) for layer in content.layers),
    ]
    for field, value, known in options:
        one_of(f"config.{field}", value, known)
    if content.bits not in (0, 8, 16):
        raise InputError(f"config.content.bits (={content.bits}) must be 0, 8 or 16")
    factors, layers = config.style.layer_factors, style_layers(config)
    if factors and config.style.layers not in ((), layers):
        raise InputError(
            "config.style.layer_factors are for layers in the network's order, each named once; "
            f"write --config.style.layers={','.join(layers)}"
        )
    if factors and len(factors) != len(layers):
        raise InputError(
            f"config.style.layer_factors has {len(factors)} numbers for {len(layers)} layers"
        )
    at_least = [
        ("config.dataset.size", config.dataset.size, 0),
        ("config.dataset.seed", config.dataset.seed, 0),
        ("config.optimizer.memory", config.optimizer.memory, 1),
        ("config.optimizer.at_once", config.optimizer.at_once, 0),
        ("config.checkpoint_every", config.checkpoint_every, 1),
        *(("config.alpha", alpha, 0) for alpha in config.alpha),
        ("config.beta", config.beta, 0),
        ("config.tv", config.tv, 0),
        ("config.start.contrast", config.start.contrast, 0),
        *(("config.steps", steps, 1) for steps in config.steps),
        *(("config.seeds", seed, 0) for seed in config.seeds),
        *(("config.style.layer_factors", factor, 0) for factor in factors),
    ]
    for name, value, least in at_least:
        if not least <= value < float("inf"):
            raise InputError(f"{name} (={value}) must be {least} or more")
    for name, value in (
        ("config.optimizer.learning_rate", config.optimizer.learning_rate),
        ("config.style.scale", config.style.scale),
    ):
        if not 0 < value < float("inf"):
            raise InputError(f"{name} (={value}) must be more than 0")
    if factors and not any(factors):
        raise InputError("config.style.layer_factors are all zero; give some layer a weight")
    if (config.style.mode == "layout") != bool(config.style.layout):
        raise InputError(
            f"config.style.mode (={config.style.mode}) and config.style.layout "
            f"(={','.join(config.style.layout) or 'none'}) belong together; set both or neither"
        )
    lower = config.network.precision not in ("auto", "float32")
    if lower and config.network.convolution == "winograd":
        raise InputError(
            f"config.network.precision (={config.network.precision}) is for direct convolutions; "
            "leave config.network.convolution out"
        )
    if config.network.split and config.network.convolution == "winograd":
        raise InputError(
            "config.network.split takes direct convolutions, which are what devices can share; "
            "leave config.network.convolution out"
        )
    if config.network.split and config.optimizer.parameters != "pixels":
        raise InputError(
            f"config.network.split is for pixels, not for config.optimizer.parameters "
            f"(={config.optimizer.parameters}), of which each makes the whole image"
        )
    lists = {"steps": config.steps, "seeds": config.seeds, "alpha": config.alpha}
    lists |= {"content.layers": content.layers, "dataset.region": config.dataset.region}
    for name, values in lists.items():
        if not values:
            raise InputError(f"config.{name} is empty; give at least one")
        if name != "steps" and len(set(values)) < len(values):
            what = "name" if isinstance(values[0], str) else "number"
            raise InputError(f"config.{name} names a {what} twice")
    if "all" in config.dataset.region and len(config.dataset.region) > 1:
        raise InputError("config.dataset.region is all, or regions by name; not both")
    least = math.ceil(16 * 2 ** (len(config.steps) - 1) / min(1, config.style.scale))
    if config.resolution < least:
        raise InputError(
            f"config.resolution (={config.resolution}) must be {least} or more, for "
            f"{len(config.steps)} stages and the style at {config.style.scale:g} of its size"
        )


def style_layers(config: Config) -> tuple[str, ...]:
    """The layers in network order."""
    from styleinv import vgg

    names = vgg.layer_names(config.network.name)
    return tuple(name for name in names if name in (config.style.layers or names))


def network_layers(config: Config) -> tuple[str, ...]:
    """All layers that the terms look at, in network order."""
    from styleinv import vgg

    looked_at = {*style_layers(config), *(config.content.layers if config.content.path else ())}
    return tuple(name for name in vgg.layer_names(config.network.name) if name in looked_at)
