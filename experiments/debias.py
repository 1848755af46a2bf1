"""Targets that follow the content: what a filter is expected to make of the photograph at hand.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from experiments.inputs import check_items, seen_at, stages_of
from experiments.targets import Source, origin_of
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError, first_few

if TYPE_CHECKING:
    import numpy as np

    from experiments.session import Session
    from styleinv.change import Change
    from styleinv.style import Style
    from styleinv.style_file import Origin

Changes = Mapping[str, Mapping[int, "Change"]]  # {region: {resolution: change}}


class Photograph(NamedTuple):
    """A picture that the filter has not seen.

    Attributes:
        image: f32[h, w, 3].
        masks: {region: f32[h, w]}; empty without regions.
        name: for messages.
    """

    image: "np.ndarray"
    masks: "Mapping[str, np.ndarray]"
    name: str


def check(config: Config) -> None:
    """Raises an InputError for what does not go with style.debias."""
    if not config.content.path:
        raise InputError(
            "config.style.debias needs photographs that take the place of the originals; "
            "give them: --config.content=FOLDER"
        )
    if config.content.original_colors != "no":
        raise InputError(
            "config.style.debias already keeps what the filter keeps of the photo's colors; "
            "set config.content.original_colors=no"
        )
    if config.style.propagation == "inside":
        raise InputError(
            "config.style.debias needs every layer, and config.style.propagation (=inside) leaves "
            "some out; choose soft or any"
        )


def check_sources(config: Config, digest: str, sources: Mapping[str, Source]) -> None:
    """Raises an InputError for originals that cannot be used, or a change file that does not fit.

    Args:
        digest: sha256 of the network's weights.
    """
    for source in sources.values():
        without = [item.name for item in source.items if not item.original]
        if without:
            raise InputError(
                f"config.style.debias needs the original of each picture, and {len(without)} of "
                f"{len(source.items)} have none ({first_few(without)}); add a column "
                "original to the manifest, or config.dataset.originals=FOLDER"
            )
        if source.given:
            _read(config, digest, source, source.given)
        originals = [
            item._replace(name=str(item.original), path=item.original)
            for item in source.items
            if item.original
        ]
        check_items(config, originals, source.region)


def obtain(opened: "Session", sources: Mapping[str, Source]) -> Changes | None:
    """The change that is known of each source, or learned from its pairs; None if stopped.

    What is learned is read back from the run's own file, as styles are.
    """
    from styleinv import change_file
    from styleinv.survey import survey_changes

    config, found = opened.config, {}
    for name, source in sources.items():
        own = opened.run.folder / Path(source.own).name.replace("style", "change", 1)
        if not own.is_file():
            if source.given:
                learned, origin = _read(config, opened.digest, source, source.given)
            else:
                surveyed = survey_changes(
                    opened.network,
                    source.items,
                    _layers(config),
                    _resolutions(config),
                    [source.region],
                    propagation=config.style.propagation,
                    stop=opened.stop,
                )
                if surveyed is None:
                    return None
                learned = surveyed[source.region]
                origin = origin_of(config, opened.digest, source)
            change_file.save(own, learned, origin)
        found[name], _ = _read(config, opened.digest, source, own)
    return found


def write_styles(
    opened: "Session",
    sources: Mapping[str, Source],
    changes: Changes,
    photos: Iterable[Photograph],
) -> bool:
    """Writes each source's style file: the mixture of what is expected of the photographs.

    False if stopped, with nothing written.
    """
    from styleinv import style_file
    from styleinv.style import merge

    mixtures: dict[str, dict[int, Style]] = {name: {} for name in sources}
    for photo in photos:
        for name, expected in _expected(opened, changes, photo).items():
            for resolution, style in expected.items():
                known = mixtures[name].get(resolution)
                mixtures[name][resolution] = merge(known, style) if known else style
        if opened.stop():
            return False
    for name, source in sources.items():
        origin = origin_of(opened.config, opened.digest, source)
        style_file.save(opened.run.folder / source.own, mixtures[name], origin)
    return True


def _expected(
    opened: "Session", changes: Changes, photo: Photograph
) -> "dict[str, dict[int, Style]]":
    """{region: {resolution: style}} that the filter is expected to give a photograph."""
    from styleinv.change import predict
    from styleinv.dataset import views_of
    from styleinv.survey import measure_views

    masks = {region: photo.masks.get(region) for region in changes}
    views = views_of(photo.image, masks, _resolutions(opened.config))
    found: dict[str, dict[int, Style]] = {region: {} for region in changes}
    for region, resolution, style in measure_views(
        opened.network, views, _layers(opened.config), photo.name, opened.config.style.propagation
    ):
        found[region][resolution] = predict(changes[region][resolution], style)
    return found


def _layers(config: Config) -> tuple[str, ...]:
    from styleinv.vgg import PIXELS

    return (PIXELS, *style_layers(config))


def _resolutions(config: Config) -> list[int]:
    return [seen_at(config, stage.resolution) for stage in stages_of(config)]


def _read(
    config: Config, digest: str, source: Source, path: Path
) -> "tuple[dict[int, Change], Origin]":
    """The changes that a file has for the run, and what they are of.

    Raises:
        InputError: if it has not.
    """
    from styleinv import change_file, style_file

    changes, origin = change_file.load(path)
    layers, resolutions = _layers(config), _resolutions(config)
    style_file.refuse_unlike(
        path,
        origin,
        wanted=origin_of(config, digest, source),
        there={resolution: tuple(change.layers) for resolution, change in changes.items()},
        layers=layers,
        resolutions=resolutions,
    )
    selected = {}
    for resolution in resolutions:
        change = changes[resolution]
        selected[resolution] = replace(change, layers={k: change.layers[k] for k in layers})
    return selected, origin
