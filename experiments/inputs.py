"""What a config asks for: the pictures, the network, the target styles.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    from styleinv.dataset import Checked, Item
    from styleinv.record import Record
    from styleinv.style import Style
    from styleinv.style_file import Origin
    from styleinv.synthesize import Stage
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")


def find_items(config: Config) -> list["Item"]:
    """The dataset's pictures, with weights that sum to 1."""
    from styleinv import dataset

    items = dataset.find(config.dataset.path)
    if config.dataset.weights:
        items = dataset.reweigh(items, config.dataset.weights)
    return dataset.shares(dataset.subset(items, config.dataset.size, config.dataset.seed))


def warn_of_small(config: Config, items: Sequence["Item"], checked: Sequence["Checked"]) -> None:
    """Says which pictures have fewer pixels than they are looked at with."""
    small = [
        item.name
        for item, one in zip(items, checked, strict=True)
        if one.height * one.width < config.resolution**2
    ]
    if small:
        LOG.warning(
            "%d of %d images are enlarged to %d px, and look blurred: %s%s",
            len(small),
            len(items),
            config.resolution,
            ", ".join(small[:5]),
            ", ..." if len(small) > 5 else "",
        )


def load_network(config: Config) -> tuple["VGG", dict[str, Any]]:
    """The network, and what run.json says of its weights."""
    from styleinv import weights
    from styleinv.vgg import VGG

    loaded = weights.load(config.network.weights, config.network.name)
    deepest = style_layers(config)[-1]
    if deepest.replace("relu", "conv") not in loaded.kernels:
        last = list(loaded.kernels)[-1].replace("conv", "relu")
        raise InputError(
            f"config.network.weights (={config.network.weights}) end at {last}; "
            "choose config.style.layers up to there"
        )
    network = VGG(
        loaded.kernels,
        loaded.biases,
        loaded.matrix,
        loaded.offset,
        deepest=deepest,
        pooling=config.network.pooling,
        padding=config.network.padding,
        convolution=config.network.convolution,
    )
    about = {"name": loaded.name, "digest": loaded.digest, "credit": loaded.credit}
    return network, about | {"random": loaded.family == "random"}


def origin_of(
    config: Config, digest: str, items: Sequence["Item"], checked: Sequence["Checked"]
) -> "Origin":
    """What the header of the style file says."""
    from styleinv.style_file import Origin

    images = tuple(
        {"name": item.name, "sha256": one.digest, "weight": item.weight}
        for item, one in zip(items, checked, strict=True)
    )
    network = config.network
    return Origin(
        network.name, digest, network.pooling, network.padding, config.dataset.region, images
    )


def obtain_styles(
    config: Config,
    network: "VGG",
    origin: "Origin",
    items: Sequence["Item"],
    run: "Record",
    stop: Callable[[], int],
) -> dict[int, "Style"] | None:
    """The target styles: those of a given file, or the dataset's; None if stopped.

    What the run uses is always read back from its own style.safetensors, so that a resumed run has
    the very same numbers.
    """
    from styleinv import style_file
    from styleinv.survey import survey
    from styleinv.vgg import PIXELS

    layers = (PIXELS, *style_layers(config))
    resolutions = [stage.resolution for stage in stages_of(config)]

    def read(path: Path) -> tuple[dict[int, "Style"], "Origin"]:
        styles, made = style_file.load(path)
        selected = style_file.select(
            styles, made, path, wanted=origin, layers=layers, resolutions=resolutions
        )
        return selected, made

    own = run.folder / "style.safetensors"
    if config.style.file and not own.is_file():
        style_file.save(own, *read(Path(config.style.file)))
    elif not own.is_file():
        styles = survey(network, items, layers, resolutions, config.dataset.region, stop)
        if styles is None:
            return None
        style_file.save(own, styles, origin)
    styles, made = read(own)
    if not config.style.file and made.images != origin.images:
        raise InputError(f"{own} is of other images than there are now; name a new --workdir")
    return styles


def stages_of(config: Config) -> list["Stage"]:
    """Coarse to fine, each at twice the resolution of the one before."""
    from styleinv.synthesize import Stage

    last = len(config.steps) - 1
    return [Stage(config.resolution // 2 ** (last - i), n) for i, n in enumerate(config.steps)]
