"""What a config asks for: the network, the stages, and pictures that are fit for them.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from experiments.validate import network_layers, style_layers
from styleinv.config import Config
from styleinv.errors import InputError, first_few

if TYPE_CHECKING:
    import numpy as np

    from styleinv.dataset import Checked, Item
    from styleinv.masks import MaskFile
    from styleinv.precision import Precision
    from styleinv.synthesize import Stage
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")
ShapeAt = Callable[[int, int, int], tuple[int, int]]  # height, width, resolution -> (h, w)
_COVERING = 0.95  # share of a picture above which its mask is taken for an inverted one


def check_items(config: Config, items: Sequence["Item"], region: str) -> list["Checked"]:
    """What is known of pictures, each of which is read once.

    Raises:
        InputError: for those whose style in the region cannot be measured.
    """
    from styleinv import dataset

    checked = dataset.check(items, region, partial(_refuse_vanishing, config))
    refuse_narrow(config, items, checked)
    return checked


def with_masks(items: list["Item"], group: str, texts: Sequence[str]) -> list["Item"]:
    """The single picture of config.GROUP with the masks of config.GROUP.masks, if there are any.

    Raises:
        InputError: if there are masks and more pictures than one.
    """
    from styleinv import masks

    if not texts:
        return items
    if len(items) != 1:
        raise InputError(
            f"config.{group}.masks are for one picture, and there are {len(items)}; "
            "put a metadata.csv beside them"
        )
    return [items[0]._replace(masks=masks.parse(texts))]


def _refuse_vanishing(config: Config, mask: "np.ndarray", item: "Item") -> None:
    """Raises an InputError for a mask that vanishes at some layer, at some stage."""
    from styleinv import images, vgg
    from styleinv.regions import layer_masks

    height, width = mask.shape
    names = vgg.layer_names(config.network.name)
    for stage in stages_of(config):
        shape = seen_shape(config, height, width, stage.resolution)
        seen, layers = images.resize(mask, *shape), style_layers(config)
        layer_masks(seen, layers, item.name, config.style.propagation, names)


def refuse_narrow(
    config: Config,
    items: Sequence["Item"],
    checked: Sequence["Checked"],
    shape_at: ShapeAt | None = None,
) -> None:
    """Raises an InputError for pictures of which the deepest layer would see nothing.

    Args:
        shape_at: how the pictures are seen; by default as those of a style are.
    """
    from styleinv import vgg

    shape_at = shape_at or partial(seen_shape, config)
    coarsest, deepest = stages_of(config)[0].resolution, network_layers(config)[-1]
    narrow = [
        item.name
        for item, one in zip(items, checked, strict=True)
        if min(shape_at(one.height, one.width, coarsest)) < vgg.layer_stride(deepest)
    ]
    if narrow:
        raise InputError(
            f"{len(narrow)} of {len(items)} images are too narrow for {deepest} at {coarsest} px, "
            f"the first stage ({first_few(narrow)}); crop them, or raise config.resolution"
        )


def warn_of_small(
    config: Config, items: Sequence["Item"], checked: Sequence["Checked"], scale: float = 1.0
) -> None:
    """Says which pictures have fewer pixels than they are looked at with."""
    seen = round(scale * config.resolution)
    small = [
        item.name
        for item, one in zip(items, checked, strict=True)
        if one.height * one.width < seen**2
    ]
    if small:
        LOG.warning(
            "%d of %d images are enlarged to %d px, and look blurred: %s",
            len(small),
            len(items),
            seen,
            first_few(small),
        )


def warn_of_covering(masks: Sequence[tuple["MaskFile", float]]) -> None:
    """Says which masks cover nearly all of their picture: a sign that white and black are swapped.

    Args:
        masks: files, and the share of its picture that each covers. Colors of a map are passed
            over: they cannot be inverted.
    """
    gray = [(file, share) for file, share in masks if not file.color]
    named = [f"{file.path.name} ({100 * share:.0f} %)" for file, share in gray if share > _COVERING]
    if named:
        LOG.warning(
            "%d of %d masks cover more than %.0f %% of their picture, and may be inverted: %s",
            len(named),
            len(gray),
            100 * _COVERING,
            first_few(named),
        )


def warn_of_masks(region: str, items: Sequence["Item"], covered: Iterable[float | None]) -> None:
    """`warn_of_covering` of the items' masks of a region, given what each covers."""
    pairs = zip(items, covered, strict=True)
    warn_of_covering([(i.masks[region], share or 0) for i, share in pairs if region in i.masks])


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


def check_start(config: Config) -> None:
    """Raises an InputError for a picture to start from that cannot be read."""
    from styleinv import images

    if config.start.image not in ("noise", "content"):
        images.read(config.start.image)


def refuse_large(config: Config) -> None:
    """Raises an InputError for a resolution that the memory is too small for."""
    import jax

    from styleinv import memory, vgg

    names, deepest = vgg.layer_names(config.network.name), network_layers(config)[-1]
    layers = names[: names.index(deepest) + 1]
    pairs = config.optimizer.memory if config.optimizer.name == "lbfgs" else 1
    again, there = config.network.rematerialize, memory.free()
    # Where devices have rows, blocks are computed as wholes; those of a CPU have one memory.
    split = config.network.split
    devices = jax.local_device_count() if split and jax.default_backend() != "cpu" else 1

    def need(resolution, rematerialize=again):
        return memory.needed(
            layers,
            resolution**2,
            pairs,
            rematerialize=rematerialize,
            strips=not split,
            devices=devices,
            scale=config.style.scale,
        )

    if there is None or need(config.resolution) <= there:
        return
    fits = max((r for r in range(16, config.resolution, 16) if need(r) <= there), default=0)
    hints = [f"config.resolution={fits}"] if fits else ["a smaller config.resolution"]
    if not again and need(config.resolution, True) <= there:
        hints.append("config.network.rematerialize=true")
    raise InputError(
        f"config.resolution (={config.resolution}) needs about {need(config.resolution) / 1e9:.0f} "
        f"GB of memory, and {there / 1e9:.0f} GB are free; {' or '.join(hints)} would do"
    )


def load_network(config: Config) -> tuple["VGG", dict[str, Any]]:
    """The network, and what run.json says of its weights."""
    import jax

    from styleinv import weights
    from styleinv.vgg import VGG

    device = jax.default_backend()
    if config.network.convolution == "winograd" and device != "cpu":
        raise InputError(
            f"config.network.convolution (=winograd) is for a CPU, and this is a {device}; "
            "leave it out"
        )
    loaded = weights.load(config.network.weights, config.network.name)
    deepest = network_layers(config)[-1]
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
        convolution="direct" if config.network.split else config.network.convolution,
    )
    about = {"name": loaded.name, "digest": loaded.digest, "credit": loaded.credit}
    return network, about | {"random": loaded.family == "random"}


def precision_of(config: Config) -> "Precision":
    """Of the convolutions while a picture is optimized; Winograd's are float32."""
    import jax

    from styleinv import precision

    winograd = config.network.convolution == "winograd"
    name = "float32" if winograd else config.network.precision
    return precision.choose(name, jax.default_backend())


def stages_of(config: Config) -> list["Stage"]:
    """Coarse to fine, each at twice the resolution of the one before."""
    from styleinv.synthesize import Stage

    last = len(config.steps) - 1
    return [Stage(config.resolution // 2 ** (last - i), n) for i, n in enumerate(config.steps)]


def seen_at(config: Config, resolution: int) -> int:
    """The resolution at which a style is seen while the image has another."""
    return round(config.style.scale * resolution)


def seen_shape(config: Config, height: int, width: int, resolution: int) -> tuple[int, int]:
    """(h, w) at which a picture of a style is seen while the image has a resolution."""
    from styleinv import images

    return images.frame(height, width, seen_at(config, resolution))
