"""What the types of a config cannot say: names that exist, numbers in range, sizes that fit.

Every option is looked up where it is defined. The libraries are imported inside, so that `--help`
stays quick.
"""

from styleinv.config import Config
from styleinv.errors import InputError, one_of


def validate(config: Config) -> None:
    """Raises an InputError for a value that no part of the program knows."""
    from styleinv import dataset, minimize, noise, objective, parameters, statistics, vgg

    one_of("config.network.name", config.network.name, vgg.BLOCKS)
    one_of("config.network.pooling", config.network.pooling, vgg.POOLINGS)
    one_of("config.network.padding", config.network.padding, vgg.PADDINGS)
    one_of("config.network.convolution", config.network.convolution, vgg.CONVOLUTIONS)
    one_of("config.dataset.region", config.dataset.region, dataset.REGIONS)
    one_of("config.style.statistic", config.style.statistic, statistics.STATISTICS)
    one_of("config.style.layer_weights", config.style.layer_weights, objective.LAYER_WEIGHTS)
    one_of("config.optimizer.name", config.optimizer.name, minimize.SOLVERS)
    one_of("config.optimizer.parameters", config.optimizer.parameters, parameters.PARAMETERS)
    one_of("config.start.noise", config.start.noise, noise.NOISES)
    for layer in config.style.layers:
        one_of("config.style.layers", layer, vgg.layer_names(config.network.name))
    factors, layers = config.style.layer_factors, style_layers(config)
    if factors and len(factors) != len(layers):
        raise InputError(
            f"config.style.layer_factors has {len(factors)} numbers for {len(layers)} layers"
        )
    at_least = [
        ("config.dataset.size", config.dataset.size, 0),
        ("config.dataset.seed", config.dataset.seed, 0),
        ("config.optimizer.memory", config.optimizer.memory, 1),
        ("config.checkpoint_every", config.checkpoint_every, 1),
        ("config.tv", config.tv, 0),
        ("config.start.contrast", config.start.contrast, 0),
        *(("config.steps", steps, 1) for steps in config.steps),
        *(("config.seeds", seed, 0) for seed in config.seeds),
        *(("config.style.layer_factors", factor, 0) for factor in factors),
    ]
    for name, value, least in at_least:
        if not least <= value < float("inf"):
            raise InputError(f"{name} (={value}) must be {least} or more")
    if not 0 < config.optimizer.learning_rate < float("inf"):
        rate = config.optimizer.learning_rate
        raise InputError(f"config.optimizer.learning_rate (={rate}) must be more than 0")
    if factors and not any(factors):
        raise InputError("config.style.layer_factors are all zero; give some layer a weight")
    for name, values in (("steps", config.steps), ("seeds", config.seeds)):
        if not values:
            raise InputError(f"config.{name} is empty; give at least one number")
    if len(set(config.seeds)) < len(config.seeds):
        raise InputError("config.seeds names a seed twice")
    finest = 2 ** (len(config.steps) - 1)
    if config.resolution % (16 * finest) or config.resolution < 16 * finest:
        raise InputError(
            f"config.resolution (={config.resolution}) must be a multiple of {16 * finest}, "
            f"{16 * finest} or more, for {len(config.steps)} stages"
        )


def style_layers(config: Config) -> tuple[str, ...]:
    """The layers in network order."""
    from styleinv import vgg

    names = vgg.layer_names(config.network.name)
    return tuple(name for name in names if name in (config.style.layers or names))
