"""Pictures by the scene that they show, and which of them are held out.

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from experiments.inputs import refuse_narrow
from experiments.questions.subrun import refuse_commas
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    from styleinv.manifest import Item


class Picture(NamedTuple):
    """A picture of a scene.

    Attributes:
        digest: sha256 of its file.
        shape: (height, width) of it.
        original: the photograph that it was made of, where that is known.
    """

    item: "Item"
    digest: str
    shape: tuple[int, int]
    original: Path | None

    @property
    def path(self) -> Path:
        return self.item.path


def find_pictures(config: Config, source: str, originals: str = "") -> dict[str, Picture]:
    """{scene: picture} of a folder, in its order; a scene is the file's name without extension.

    Weights and masks are left aside: every picture counts alike, with all of its positions.

    Raises:
        InputError: for pictures that cannot be used, two of one scene, or one that is there twice.
    """
    from styleinv import dataset

    items = dataset.find(source)
    if labels := [item.region for item in items if item.region]:
        raise InputError(
            f"{source} names the region {labels[0]}, and verify asks about whole pictures; "
            "leave the name out"
        )
    items = [item._replace(weight=1.0, masks={}) for item in items]
    if originals:
        items = dataset.with_originals(items, originals)
    refuse_commas([item.path for item in items])
    checked = dataset.check(items)
    refuse_narrow(config, items, checked)
    photos = [item._replace(path=item.original) for item in items if item.original]
    refuse_narrow(config, photos, dataset.check(photos))
    refuse_commas([photo.path for photo in photos])
    found: dict[str, Picture] = {}
    names: dict[str, str] = {}
    for item, one in zip(items, checked, strict=True):
        scene = Path(item.name).stem
        if scene in found:
            raise InputError(f"{source} has two pictures named {scene}; rename one of them")
        if one.digest in names:
            raise InputError(
                f"{source}: {item.name} and {names[one.digest]} are the same file; remove one, "
                "or what is held out would be learned from"
            )
        names[one.digest] = item.name
        found[scene] = Picture(item, one.digest, (one.height, one.width), item.original)
    return found


def held_out(config: Config, scenes: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of scenes that are held out together, every scene in one; drawn by the seed.

    Raises:
        InputError: if too few would be left to learn from.
    """
    from styleinv import naming

    size = config.verify.held_out
    if len(scenes) < size + 2:
        raise InputError(
            f"config.verify.held_out (={size}) leaves fewer than 2 of {len(scenes)} scenes to "
            f"learn from; use {max(1, len(scenes) - 2)} or fewer"
        )
    groups = naming.folds(len(scenes), size, config.verify.seed)
    return [tuple(str(scenes[i]) for i in group) for group in groups]


def find_filters(config: Config) -> dict[str, dict[str, Picture]]:
    """{filter: {scene: picture}} of config.verify.filters, of the scenes that all of them have.

    Raises:
        InputError: for fewer than two, or too few scenes in common.
    """
    from styleinv import masks

    found: dict[str, dict[str, Picture]] = {}
    for text in config.verify.filters:
        name, folder = masks.split_name(text)
        if not name or name in found:
            raise InputError(
                f"config.verify.filters: {text!r} is no filter of its own; write NAME=FOLDER"
            )
        found[name] = find_pictures(config, folder)
    if len(found) < 2:
        raise InputError(
            f"config.verify.filters names {len(found) or 'no'} filters; two or more are needed to "
            "tell them apart"
        )
    first = next(iter(found.values()))
    scenes = [scene for scene in first if all(scene in own for own in found.values())]
    if len(scenes) < 3:
        raise InputError(
            f"the folders of config.verify.filters have {len(scenes)} scenes in common; files of "
            "one scene must have one name in all of them, and three are needed"
        )
    return {name: {scene: own[scene] for scene in scenes} for name, own in found.items()}


def digests(pictures: Mapping[str, Picture], scenes: Sequence[str]) -> dict[str, str]:
    """{scene: sha256}, for results.json."""
    return {scene: pictures[scene].digest for scene in scenes}
