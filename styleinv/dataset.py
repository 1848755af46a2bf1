"""A folder of pictures, or a folder with metadata.csv, -> an ordered list of items; streaming.

metadata.csv follows Hugging Face's imagefolder: a column `file_name`, relative to the folder, and
optionally `weight` (a number, 1 where absent), `mask` (a gray image of the same size, white inside;
or `map.png#rrggbb`, the positions of one color) and `mask_NAME` for any number of named regions.
"""

import csv
import hashlib
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from styleinv import images, masks
from styleinv.errors import InputError
from styleinv.masks import ALL, MaskFile

MANIFEST = "metadata.csv"
_EXPLAINED = 20  # bad files whose reason is in the message; the others are only named


class Item(NamedTuple):
    """One picture of a dataset.

    Attributes:
        name: as the manifest has it.
        weight: 0 or more.
        masks: {region: file}.
        region: the only region that the picture is for; "" if it is for all.
    """

    name: str
    path: Path
    weight: float = 1.0
    masks: Mapping[str, MaskFile] = MappingProxyType({})
    region: str = ""


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
    """The paths of "a,b,c"; of a file or folder that exists, its own, whatever is in its name."""
    return [source] if os.path.exists(source) else source.split(",")


def _find_one(path: Path) -> list[Item]:
    if os.path.isfile(path):
        return [Item(path.name, path)]
    if not os.path.isdir(path):
        raise InputError(f"dataset {path} does not exist; give a folder of images")
    if (path / MANIFEST).is_file():
        return _read_manifest(path / MANIFEST)
    items = [
        Item(file.name, file)
        for file in sorted(path.iterdir())
        if file.suffix.lower() in images.EXTENSIONS and not file.name.startswith(".")
    ]
    if not items:
        kinds = ", ".join(images.EXTENSIONS)
        raise InputError(f"dataset {path} holds no images ({kinds}) and no {MANIFEST}")
    return items


def _read_manifest(path: Path) -> list[Item]:
    try:
        text = images.read_bytes(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="")
        columns, rows = reader.fieldnames or [], [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a UTF-8 CSV file: {error}") from None
    if "file_name" not in columns:
        raise InputError(f"{path} has no column file_name, but {', '.join(columns) or 'nothing'}")
    if not rows:
        raise InputError(f"{path} lists no images; add a line for each")
    items, seen = [], set()
    for line, row in rows:
        where = f"{path}, line {line}"
        if "" in row:
            raise InputError(
                f"{where}: there are more cells than columns; put quotes around commas"
            )
        item = Item(
            row["file_name"] or "",
            _inside(path.parent, row["file_name"], where),
            _weight(row.get("weight"), where),
            {
                column.removeprefix("mask_"): _mask_file(path.parent, cell, where)
                for column, cell in row.items()
                if cell and (column == "mask" or column.startswith("mask_"))
            },
        )
        file = item.path.resolve()
        if file in seen:
            raise InputError(f"{where}: {item.name} is listed twice; use its weight instead")
        seen.add(file)
        items.append(item)
    return items


def _inside(folder: Path, name: str | None, where: str) -> Path:
    if not name:
        raise InputError(f"{where}: file_name is empty")
    if "\0" in name:
        raise InputError(f"{where}: {name!r} is not a file name")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{where}: {name} is outside of the folder {folder}")
    return path


def _mask_file(folder: Path, cell: str, where: str) -> MaskFile:
    name, color = masks.split_color(cell, folder)
    return MaskFile(_inside(folder, name, where), color)


def _weight(text: str | None, where: str) -> float:
    if not text:
        return 1.0
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"{where}: weight (={text}) must be a number, 0 or more")
    return weight


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
        item._replace(weight=_weight(str(weight), "config.dataset.weights"))
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
    return [item._replace(weight=item.weight / total) for item in items if item.weight > 0]


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


def check(items: Sequence[Item], region: str = ALL) -> list[Checked]:
    """Reads every file once, so that nothing fails halfway through.

    Raises:
        InputError: naming all files that cannot be used, and why.
    """

    def look(item: Item) -> Checked | str:
        try:
            content = images.read_bytes(item.path)
            height, width = images.decode(content, item.path).shape[:2]
            mask = _read_mask(item, region, (height, width))
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
    items: Iterable[Item],
    resolutions: Sequence[int],
    regions: Sequence[str] = (ALL,),
    recolor: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterator[tuple[Item, dict[int, View]]]:
    """Every item at every resolution, decoded once, one ahead in a thread: constant memory.

    Args:
        resolutions: see `images.frame`.
        regions: "all" positions, or those of a mask, see `masks.read`.
        recolor: f32[h, w, 3] -> f32[h, w, 3], applied to every image.
    """

    def load(item: Item) -> dict[int, View]:
        image = images.read(item.path)
        image = recolor(image) if recolor else image
        height, width = image.shape[:2]
        found = {region: _read_mask(item, region, (height, width)) for region in regions}
        views = {}
        for resolution in resolutions:
            shape = images.frame(height, width, resolution)
            inside = {r: None if m is None else images.resize(m, *shape) for r, m in found.items()}
            views[resolution] = View(images.resize(image, *shape), inside)
        return views

    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = None
        for item in items:
            behind, ahead = ahead, (item, pool.submit(load, item))
            if behind:
                yield behind[0], behind[1].result()
        if ahead:
            yield ahead[0], ahead[1].result()
