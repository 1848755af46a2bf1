"""The styles that a run aims at: measured from pictures, or read from a style file.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from experiments.inputs import refuse_narrow, stages_of, warn_of_small
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from styleinv.dataset import Checked, Item
    from styleinv.record import Record
    from styleinv.style import Style
    from styleinv.style_file import Origin
    from styleinv.vgg import VGG


class Source(NamedTuple):
    """Where one target style comes from.

    Attributes:
        region: the positions that count, see `masks.read`.
        items: pictures with weights that sum to 1; none where there is a file.
        checked: what is known of each.
        given: a style file.
        own: name of the style file in the run's folder.
        recolor: f32[h, w, 3] -> f32[h, w, 3], applied to every picture before it is measured.
    """

    region: str
    items: Sequence["Item"]
    checked: Sequence["Checked"]
    given: Path | None
    own: str
    recolor: "Callable[[np.ndarray], np.ndarray] | None" = None


def find_sources(config: Config, regions: Sequence[str]) -> dict[str, Source]:
    """{region: source}, checked; regions that config.dataset.path says nothing of are left out.

    Args:
        regions: a style is looked for, for each of them.

    Raises:
        InputError: for whatever of it cannot be used.
    """
    from styleinv import dataset

    items, files = _read_path(config)
    labels = {item.region for item in items} | set(files)
    if idle := sorted(labels - {"", "all", *regions}):
        raise InputError(
            f"there is a style for the region {idle[0]}, but no such region; "
            f"regions are {', '.join(regions)}"
        )
    found = {}
    for region in regions:
        own = "style.safetensors" if len(regions) == 1 else f"style_{region}.safetensors"
        if region in files:
            found[region] = Source(region, (), (), files[region], own)
            continue
        labeled = [item for item in items if item.region == region]
        chosen = labeled or [i for i in items if not i.region and (i.masks or len(regions) == 1)]
        if chosen or len(regions) == 1:
            chosen = dataset.shares(chosen)
            checked = dataset.check(chosen, region)
            refuse_narrow(config, chosen, checked, config.style.scale)
            warn_of_small(config, chosen, checked, config.style.scale)
            found[region] = Source(region, chosen, checked, None, own)
    return found


def _read_path(config: Config) -> tuple[list["Item"], dict[str, Path]]:
    """Pictures, and {region: style file}, of config.dataset.path."""
    from styleinv import dataset, masks

    path = config.dataset.path
    items, files = [], {}
    for part in [path] if os.path.exists(path) else path.split(","):
        region, name = masks.split_name(part)
        if name.endswith(".safetensors"):
            files[region or config.dataset.region] = Path(name)
        else:
            items += dataset.find(part)
    if config.dataset.region in files and (items or len(files) > 1):
        raise InputError(
            f"config.dataset.path (={path}) has a style file beside others; "
            "write NAME=FILE to give each region its own"
        )
    items = with_masks(items, "dataset", config.dataset.masks)
    if not items:
        return [], files
    if config.dataset.weights:
        items = dataset.reweigh(items, config.dataset.weights)
    return dataset.subset(items, config.dataset.size, config.dataset.seed), files


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


def origin_of(config: Config, digest: str, source: Source) -> "Origin":
    """What the header of the style file says."""
    from styleinv.style_file import Origin

    images = tuple(
        {"name": item.name, "sha256": one.digest, "weight": item.weight}
        for item, one in zip(source.items, source.checked, strict=True)
    )
    network = config.network
    return Origin(network.name, digest, network.pooling, network.padding, source.region, images)


def read(
    config: Config, source: Source, origin: "Origin", folder: Path
) -> tuple[dict[int, "Style"], "Origin"] | None:
    """The styles that are in a file, and what they are of; None if they must be measured.

    Args:
        origin: what they must be of.
        folder: the run's, whose own file comes before the given one.

    Raises:
        InputError: if they are not what the run needs.
    """
    from styleinv import style_file
    from styleinv.vgg import PIXELS

    own = folder / source.own
    path = own if own.is_file() else source.given
    if path is None:
        return None
    styles, made = style_file.load(path)
    styles = style_file.select(
        styles,
        made,
        path,
        wanted=origin,
        layers=(PIXELS, *style_layers(config)),
        resolutions=[seen_at(config, stage.resolution) for stage in stages_of(config)],
    )
    if not source.given and made.images != origin.images:
        raise InputError(f"{own} is of other images than there are now; name a new --workdir")
    return styles, made


def obtain(
    config: Config,
    network: "VGG",
    source: Source,
    origin: "Origin",
    run: "Record",
    stop: Callable[[], int],
) -> Mapping[int, "Style"] | None:
    """{resolution: style} of a source, read or measured; None if stopped.

    What the run uses is always read back from its own file, so that a resumed run has the very
    same numbers.
    """
    from styleinv import style_file
    from styleinv.survey import survey
    from styleinv.vgg import PIXELS

    own = run.folder / source.own
    found = read(config, source, origin, run.folder)
    if found and own.is_file():
        return found[0]
    if found is None:
        layers = (PIXELS, *style_layers(config))
        resolutions = [seen_at(config, stage.resolution) for stage in stages_of(config)]
        styles = survey(
            network, source.items, layers, resolutions, source.region, stop, source.recolor
        )
        if styles is None:
            return None
        found = styles, origin
    style_file.save(own, *found)
    return style_file.load(own)[0]


def seen_at(config: Config, resolution: int) -> int:
    """The resolution at which a style is seen while the image has another."""
    return round(config.style.scale * resolution)
