"""What a config asks for: the pictures, the network, the target styles.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

import logging
import math
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
OWN_FILE = "style.safetensors"  # in the run's folder


def find_items(config: Config) -> list["Item"]:
    """The dataset's pictures, with weights that sum to 1; none where a style file is given."""
    from styleinv import dataset

    if config.style.file:
        return []
    items = dataset.find(config.dataset.path)
    if config.dataset.weights:
        items = dataset.reweigh(items, config.dataset.weights)
    return dataset.shares(dataset.subset(items, config.dataset.size, config.dataset.seed))


def refuse_narrow(config: Config, items: Sequence["Item"], checked: Sequence["Checked"]) -> None:
    """Raises an InputError for pictures of which the deepest layer would see nothing."""
    from styleinv import images, vgg

    coarsest, deepest = stages_of(config)[0].resolution, style_layers(config)[-1]
    narrow = [
        item.name
        for item, one in zip(items, checked, strict=True)
        if min(images.frame(one.height, one.width, coarsest)) < vgg.layer_stride(deepest)
    ]
    if narrow:
        raise InputError(
            f"{len(narrow)} of {len(items)} images are too narrow for {deepest} at {coarsest} px, "
            f"the first stage ({', '.join(narrow[:5])}{', ...' if narrow[5:] else ''}); "
            "crop them, or raise config.resolution"
        )


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


def note_rank(config: Config) -> None:
    """Says which layers have too few positions for their Grams to be matched in full.

    The Gram matrix of M positions has at most rank M; a set of pictures has more.
    """
    from styleinv.vgg import layer_channels, layer_stride

    layers = [
        layer
        for layer in style_layers(config)
        if (config.resolution // layer_stride(layer)) ** 2 < layer_channels(layer)
    ]
    if layers:
        side = max(
            layer_stride(layer) * math.ceil(layer_channels(layer) ** 0.5) for layer in layers
        )
        LOG.info(
            "at %d px, %s to %s have fewer positions than channels and can be matched only in "
            "part; %d px or more would do",
            config.resolution,
            layers[0],
            layers[-1],
            side,
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


def read_styles(
    config: Config, origin: "Origin", folder: Path
) -> tuple[dict[int, "Style"], "Origin"] | None:
    """The target styles that are in a file, and what they are of; None if they must be measured.

    Args:
        origin: what they must be of.
        folder: the run's, whose own style.safetensors comes before config.style.file.

    Raises:
        InputError: if they are not what the run needs.
    """
    from styleinv import style_file
    from styleinv.vgg import PIXELS

    own = folder / OWN_FILE
    if not own.is_file() and not config.style.file:
        return None
    path = own if own.is_file() else Path(config.style.file)
    styles, made = style_file.load(path)
    styles = style_file.select(
        styles,
        made,
        path,
        wanted=origin,
        layers=(PIXELS, *style_layers(config)),
        resolutions=[stage.resolution for stage in stages_of(config)],
    )
    if not config.style.file and made.images != origin.images:
        raise InputError(f"{own} is of other images than there are now; name a new --workdir")
    return styles, made


def obtain_styles(
    config: Config,
    network: "VGG",
    origin: "Origin",
    items: Sequence["Item"],
    found: tuple[dict[int, "Style"], "Origin"] | None,
    run: "Record",
    stop: Callable[[], int],
) -> dict[int, "Style"] | None:
    """The target styles: those of a given file, or the dataset's; None if stopped.

    What the run uses is always read back from its own style.safetensors, so that a resumed run has
    the very same numbers.

    Args:
        found: what `read_styles` gave for the run's folder.
    """
    from styleinv import style_file
    from styleinv.survey import survey
    from styleinv.vgg import PIXELS

    own = run.folder / OWN_FILE
    if found and own.is_file():
        return found[0]
    if found is None:
        layers = (PIXELS, *style_layers(config))
        resolutions = [stage.resolution for stage in stages_of(config)]
        styles = survey(network, items, layers, resolutions, config.dataset.region, stop)
        if styles is None:
            return None
        found = styles, origin
    style_file.save(own, *found)
    return style_file.load(own)[0]


def stages_of(config: Config) -> list["Stage"]:
    """Coarse to fine, each at twice the resolution of the one before."""
    from styleinv.synthesize import Stage

    last = len(config.steps) - 1
    return [Stage(config.resolution // 2 ** (last - i), n) for i, n in enumerate(config.steps)]
