"""The styles that a run aims at: measured from pictures, or read from a style file.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from experiments.inputs import (
    check_items,
    seen_at,
    stages_of,
    warn_of_masks,
    warn_of_small,
    with_masks,
)
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    from styleinv.dataset import Checked, Item
    from styleinv.measuring.sample import Recolor
    from styleinv.style import Style
    from styleinv.style_file import Origin
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")


class Source(NamedTuple):
    """Where one target style comes from.

    Attributes:
        region: the positions that count, see `masks.read`.
        items: pictures with weights that sum to 1; none where there is a file.
        checked: what is known of each.
        given: a style file.
        own: name of the style file in the run's folder.
        recolor: see `sample.Plan`; of this region alone.
    """

    region: str
    items: Sequence["Item"]
    checked: Sequence["Checked"]
    given: Path | None
    own: str
    recolor: "Recolor | None" = None


class Measured(NamedTuple):
    """{resolution: style}, and what they are of."""

    styles: Mapping[int, "Style"]
    origin: "Origin"


def choose_sources(config: Config, regions: Mapping[str, str]) -> dict[str, Source]:
    """{name: source}; names that config.dataset.path says nothing of are left out.

    No picture is read: nothing is known of them yet.

    Args:
        regions: {name: positions of the style's pictures that it is learned from}. The rest is
            what none of these masks covers, whatever other masks there are.

    Raises:
        InputError: if nothing is there, or pictures that are for no region, or what belongs to
            what is not clear.
    """
    from styleinv import dataset, masks

    items, files = read_path(config, *regions)
    if config.dataset.masks and set(regions.values()) == {masks.ALL}:
        name = next(iter(masks.parse(config.dataset.masks)))
        raise InputError(
            f"config.dataset.masks are for a region; write --config.dataset.region={name}"
        )
    labels = {item.region for item in items} | set(files)
    if idle := sorted(labels - {"", *regions}):
        raise InputError(
            f"there is a style for the region {idle[0]}, but no such region; "
            f"regions are {', '.join(regions)}"
        )
    named = {region for region in regions.values() if region not in (masks.ALL, masks.REST)}
    if named:
        items = [
            item._replace(masks={k: v for k, v in item.masks.items() if k in named} or item.masks)
            for item in items
        ]
    found, taken = {}, set()
    for name, region in regions.items():
        own = "style.safetensors" if len(regions) == 1 else f"style_{name}.safetensors"
        if name in files:
            found[name] = Source(region, (), (), files[name], own)
            continue
        labeled = [item for item in items if item.region == name]
        general = [item for item in items if not item.region]
        masked = any(item.masks for item in general)
        chosen = labeled or (general if masked or len(regions) == 1 else [])
        if chosen:
            found[name] = Source(region, dataset.shares(chosen), (), None, own)
            taken.add(chosen[0].region)
    left = [item for item in items if item.region not in taken]
    if left and found.keys() >= set(regions) - {masks.REST}:
        raise InputError(
            f"{left[0].path} is for no region; regions are {', '.join(regions)}: write NAME=FILE"
        )
    return found


def check_sources(config: Config, sources: Mapping[str, Source]) -> dict[str, Source]:
    """The sources of `choose_sources`, every picture of which is read once and checked.

    Raises:
        InputError: for whatever of it cannot be used.
    """
    found = dict(sources)
    if config.dataset.originals and not config.style.debias:
        LOG.warning("config.dataset.originals are for config.style.debias; without it none is used")
    for name, source in found.items():
        items, region = source.items, source.region
        if not items:
            continue
        checked = check_items(config, items, region)
        warn_of_small(config, items, checked, config.style.scale)
        warn_of_masks(region, items, [one.covered for one in checked])
        found[name] = source._replace(checked=checked)
    return found


def read_path(config: Config, *names: str) -> tuple[list["Item"], dict[str, Path]]:
    """Pictures, and {name: style file}, of config.dataset.path; one name may stay unsaid."""
    from styleinv import dataset, masks

    path = config.dataset.path
    unsaid = names[0] if len(names) == 1 else ""
    items, given = [], []
    for part in dataset.parts(path):
        label, file = masks.split_name(part)
        if file.endswith(".safetensors"):
            given.append((label or unsaid, Path(file)))
        else:
            items += dataset.find(part)
    files = dict(given)
    beside = unsaid in files and (items or len(files) > 1)
    if beside or len(files) < len(given) or any(item.region in files for item in items):
        raise InputError(
            f"config.dataset.path (={path}) has a style file beside others; "
            "write NAME=FILE to give each region its own"
        )
    if not items:
        for field in ("size", "weights", "originals", "masks"):
            if getattr(config.dataset, field):
                hint = "make it 0" if field == "size" else "leave it out"
                raise InputError(
                    f"config.dataset.{field} is for pictures, and {path} holds none; {hint}"
                )
        return [], files
    if config.dataset.size and len({item.region for item in items}) > 1:
        raise InputError(
            f"config.dataset.size draws from all pictures together, and {path} has some for one "
            "region alone; make it 0"
        )
    items = with_masks(items, "dataset", config.dataset.masks)
    if config.dataset.originals:
        items = dataset.with_originals(items, config.dataset.originals)
    if config.dataset.weights:
        items = dataset.reweigh(items, config.dataset.weights)
    return dataset.subset(items, config.dataset.size, config.dataset.seed), files


def origin_of(config: Config, digest: str, source: Source) -> "Origin":
    """What the header of the style file says.

    Args:
        digest: sha256 of the network's weights.
    """
    from styleinv.style_file import Origin, listed

    images = listed(
        {"name": item.name, "sha256": one.digest, "weight": item.weight}
        for item, one in zip(source.items, source.checked, strict=True)
    )
    network = config.network
    return Origin(
        network.name,
        digest,
        network.pooling,
        network.padding,
        source.region,
        images,
        config.style.propagation,
    )


def read_files(
    config: Config, digest: str, sources: Mapping[str, Source], folder: Path
) -> dict[str, Measured]:
    """{name in the run's folder: what is in the file}, of the sources whose style is on disk.

    Args:
        digest: sha256 of the network's weights.
        folder: the run's, whose own files come before the given ones.

    Raises:
        InputError: if they are not what the run needs.
    """
    found = {}
    for source in sources.values():
        if measured := _read_file(config, digest, source, folder):
            found[source.own] = measured
    return found


def _read_file(config: Config, digest: str, source: Source, folder: Path) -> Measured | None:
    from styleinv import style_file
    from styleinv.vgg import PIXELS

    own = folder / source.own
    path = own if own.is_file() else source.given
    if path is None:
        return None
    wanted = origin_of(config, digest, source)
    styles, made = style_file.load(path)
    styles = style_file.select(
        styles,
        made,
        path,
        wanted=wanted,
        layers=(PIXELS, *style_layers(config)),
        resolutions=[seen_at(config, stage.resolution) for stage in stages_of(config)],
    )
    if not source.given and made.images != wanted.images:
        raise InputError(f"{own} is of other images than there are now; name a new --workdir")
    return Measured(styles, made)


def obtain(
    config: Config,
    network: "VGG",
    digest: str,
    sources: Mapping[str, Source],
    known: Mapping[str, Measured],
    folder: Path,
    stop: Callable[[], int],
) -> Mapping[str, Mapping[int, "Style"]] | None:
    """{name: {resolution: style}} of the sources, known or measured; None if stopped.

    Regions of the same pictures, in the same colors, are measured in one pass. What is measured is
    read back from the run's own file, so that a resumed run has the very same numbers.

    Args:
        digest: sha256 of the network's weights.
        known: see `read_files`.
        folder: the run's.
    """
    from styleinv import style_file
    from styleinv.survey import survey
    from styleinv.vgg import PIXELS

    missing = [source for source in sources.values() if source.own not in known]
    found = dict(known)
    while missing:
        first = missing[0]
        together = [s for s in missing if s.items == first.items and s.recolor is first.recolor]
        missing = [source for source in missing if source not in together]
        measured = survey(
            network,
            first.items,
            (PIXELS, *style_layers(config)),
            [seen_at(config, stage.resolution) for stage in stages_of(config)],
            [source.region for source in together],
            propagation=config.style.propagation,
            stop=stop,
            recolor=first.recolor,
        )
        if measured is None:
            return None
        for source in together:
            origin = origin_of(config, digest, source)
            style_file.save(folder / source.own, measured[source.region], origin)
            found[source.own] = Measured(*style_file.load(folder / source.own))
    for source in sources.values():
        if not (folder / source.own).is_file():
            style_file.save(folder / source.own, *found[source.own])
    return {name: found[source.own].styles for name, source in sources.items()}
