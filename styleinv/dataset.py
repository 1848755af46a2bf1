"""A folder of pictures, or a folder with metadata.csv, -> an ordered list of items; streaming."""

import hashlib
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from styleinv import images, masks
from styleinv.errors import InputError, first_few, reading
from styleinv.manifest import MANIFEST, Item, leads_out, read_manifest, weight_of
from styleinv.masks import ALL

LOG = logging.getLogger("styleinv")
# Endings of what a person takes for a picture, too.
_OTHERS = (
    *(".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif", ".jfif", ".jxl", ".jp2", ".psd"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),  # of cameras, raw
)
_EXPLAINED = 20  # bad files whose reason is in the message; the others are only named


class View(NamedTuple):
    """An item at one resolution: f32[h, w, 3], and {region: f32[h, w], or None for all alike}."""

    image: np.ndarray
    masks: Mapping[str, np.ndarray | None]


def find(source: str | Path) -> list[Item]:
    """The items of a folder, sorted by name or in the order of its manifest; or of single images.

    Args:
        source: a folder, an image, or several with commas between them. "NAME=..." before one says
            which region it is for.

    Raises:
        InputError: if there is nothing there, or the manifest is wrong; it names the line.
    """
    items = []
    for region, path in map(masks.split_name, parts(str(source))):
        items += [item._replace(region=region) for item in _find_one(Path(path))]
    return items


def parts(source: str) -> list[str]:
    """The paths of "a,b,c"; of a file or folder that exists, its own, whatever is in its name.

    Spaces beside commas are left out, and so is what is empty: it would be the working directory.

    Raises:
        InputError: if nothing is left.
    """
    if os.path.exists(source):
        return [source]
    found = [part if os.path.exists(part) else part.strip() for part in source.split(",")]
    if not any(found):
        raise InputError(f"{source!r} names no picture; give a folder of images or an image")
    return list(filter(None, found))


def _find_one(path: Path) -> list[Item]:
    if os.path.isfile(path):
        return [Item(path.name, path)]
    if not os.path.isdir(path):
        raise InputError(f"{path} does not exist; give a folder of images or an image")
    with reading(path):
        return _find_in_folder(path)


def _find_in_folder(path: Path) -> list[Item]:
    if (path / MANIFEST).is_file():
        return read_manifest(path / MANIFEST)
    if (path / "config.json").is_file() and (path / "run.json").is_file():
        raise InputError(
            f"{path} is the folder of a run; name its style.png, style.safetensors or stylized/"
        )
    there = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
    items = [Item(file.name, file) for file in there if file.suffix.lower() in images.EXTENSIONS]
    if others := [file.name for file in there if file.suffix.lower() in _OTHERS]:
        _note_left_out(path, tuple(others))
    if not items:
        kinds = ", ".join(images.EXTENSIONS)
        raise InputError(f"dataset {path} holds no images ({kinds}) and no {MANIFEST}")
    for item in items:
        if item.path.is_symlink() and leads_out(item.path, path):
            raise InputError(f"{item.path} is a link out of its folder; copy the picture into it")
    return items


@cache  # once for a folder, however often a run looks into it
def _note_left_out(folder: Path, names: tuple[str, ...]) -> None:
    LOG.warning(
        "%d %s left out of %s (%s): only PNG, JPEG and WebP are taken from a folder",
        len(names),
        "file is" if len(names) == 1 else "files are",
        folder,
        first_few(names),
    )


def reweigh(items: Sequence[Item], weights: Sequence[float]) -> list[Item]:
    """The items with other weights, one for each.

    Raises:
        InputError: for a wrong number of weights or a negative one.
    """
    if len(weights) != len(items):
        raise InputError(
            f"config.dataset.weights has {len(weights)} numbers for {len(items)} images; "
            "give one for each"
        )
    return [
        item._replace(weight=weight_of(str(weight), "config.dataset.weights"))
        for item, weight in zip(items, weights, strict=True)
    ]


def subset(items: Sequence[Item], size: int, seed: int) -> list[Item]:
    """`size` items drawn by the seed, in their old order; 0 takes all. Smaller sizes are nested.

    Raises:
        InputError: if there are fewer items.
    """
    if size > len(items):
        raise InputError(
            f"config.dataset.size (={size}) is more than the {len(items)} images there are; "
            f"use {len(items)} or fewer"
        )
    order = np.random.default_rng(seed).permutation(len(items))[: size or None]
    return [items[i] for i in sorted(order)]


def shares(items: Sequence[Item]) -> list[Item]:
    """The items with a weight above zero, weights scaled to sum to 1.

    Raises:
        InputError: if all weights are zero.
    """
    total = sum(item.weight for item in items)
    if not total > 0:
        raise InputError("all weights of the dataset are zero; give at least one image a weight")
    if total == math.inf:
        raise InputError("the weights of the dataset are too large to be added; make them smaller")
    return [item._replace(weight=item.weight / total) for item in items if item.weight > 0]


def with_originals(items: Sequence[Item], folder: str | Path) -> list[Item]:
    """The items with the photographs of a folder that have their names, whatever the extension.

    Raises:
        InputError: for an item without, or with several, or with that of another.
    """
    photos: dict[str, list[Path]] = {}
    for photo in _find_one(Path(folder)):
        photos.setdefault(Path(photo.name).stem, []).append(photo.path)
    found: list[Item] = []
    of: dict[Path, Item] = {}
    for item in items:
        same = photos.get(Path(item.name).stem, [])
        if len(same) != 1:
            raise InputError(
                f"{folder} has {len(same) or 'no'} photographs named {Path(item.name).stem}, the "
                f"original of {item.path}; give each picture one"
            )
        other = of.setdefault(same[0], item)
        if other is not item:
            raise InputError(
                f"{other.path} and {item.path} would both have the original {same[0]}; rename one, "
                "and give it its own"
            )
        found.append(item._replace(original=same[0]))
    return found


class Checked(NamedTuple):
    """What is known of a readable file.

    Attributes:
        digest: sha256 of its bytes.
        height, width: in pixels.
        covered: the share of its area that is in the region; None where all positions count.
    """

    digest: str
    height: int
    width: int
    covered: float | None = None


def check(
    items: Sequence[Item],
    region: str = ALL,
    refuse: Callable[[np.ndarray, Item], None] = lambda mask, item: None,
) -> list[Checked]:
    """Reads every file once, so that nothing fails halfway through.

    Args:
        region: see `stream`.
        refuse: raises an InputError for a mask f32[h, w] that will not do.

    Raises:
        InputError: naming all files that cannot be used, and why.
    """

    def look(item: Item) -> Checked | str:
        try:
            content = images.read_bytes(item.path)
            height, width = images.decode(content, item.path).shape[:2]
            mask = _read_mask(item, region, (height, width))
            if mask is not None:
                refuse(mask, item)
            covered = None if mask is None else float(mask.mean())
            return Checked(hashlib.sha256(content).hexdigest(), height, width, covered)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(look, items))
    bad = [reason for reason in found if isinstance(reason, str)]
    if bad:
        names = [item.name for item, one in zip(items, found, strict=True) if isinstance(one, str)]
        more = f"; and also {', '.join(names[_EXPLAINED:])}" if len(bad) > _EXPLAINED else ""
        count = f"{len(bad)} of {len(items)} images cannot be used: " if len(items) > 1 else ""
        raise InputError(count + "; ".join(bad[:_EXPLAINED]) + more)
    return [one for one in found if isinstance(one, Checked)]


def _read_mask(item: Item, region: str, shape: tuple[int, int]) -> np.ndarray | None:
    """f32[h, w]; None where all positions count: a picture for one region may do without masks."""
    if region == ALL or (item.region == region and not item.masks):
        return None
    return masks.read(item.masks, region, shape, item.path)


def stream(
    items: Iterable[Item], resolutions: Sequence[int], regions: Sequence[str] = (ALL,)
) -> Iterator[tuple[Item, dict[int, View]]]:
    """Every item at every resolution, decoded once, one ahead in a thread: constant memory.

    Args:
        resolutions: see `images.frame`.
        regions: "all" positions, or those of a mask, see `masks.read`.
    """

    def load(item: Item) -> dict[int, View]:
        image = images.read(item.path)
        return views_of(image, read_masks(item, regions, image.shape[:2]), resolutions)

    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = None
        for item in items:
            behind, ahead = ahead, (item, pool.submit(load, item))
            if behind:
                yield behind[0], behind[1].result()
        if ahead:
            yield ahead[0], ahead[1].result()


def read_masks(
    item: Item, regions: Sequence[str], shape: tuple[int, int]
) -> dict[str, np.ndarray | None]:
    """{region: f32[h, w], or None for all alike} of an item whose picture has a shape."""
    return {region: _read_mask(item, region, shape) for region in regions}


def views_of(
    image: np.ndarray, inside: Mapping[str, np.ndarray | None], resolutions: Sequence[int]
) -> dict[int, View]:
    """A picture f32[h, w, 3] and its masks, see `read_masks`, at every resolution."""
    height, width = image.shape[:2]
    views = {}
    for resolution in resolutions:
        shape = images.frame(height, width, resolution)
        seen = {r: None if m is None else images.resize(m, *shape) for r, m in inside.items()}
        views[resolution] = View(images.resize(image, *shape), seen)
    return views
