"""Mask files -> f32[h, w] in [0, 1]: how much each position of a picture belongs to a region.

Every region of a picture has a name. It comes from a gray file of the picture's own size (white is
inside, gray is in part, what is transparent is outside), or from the positions of one color in a
map that shows all regions. What no mask covers is the region "rest".
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from styleinv import images
from styleinv.errors import InputError

ALL, REST = "all", "rest"
NAME = r"\w(?:[\w .+-]*[\w.+-])?"  # of a region: becomes a part of files' names
_NAMED = re.compile(rf"({NAME})=(.+)")
_COLORED = re.compile(r"(.+)#([0-9a-fA-F]{6})")
_LEAST = 0.005  # share of a map under which a color is taken for the seam between two others
_APART = 48.0  # distance of two colors, of 0 .. 255 per channel, that are two regions


class MaskFile(NamedTuple):
    """A gray file; or, with a color "rrggbb", the positions of a map that have it."""

    path: Path
    color: str = ""


def parse(texts: Sequence[str]) -> dict[str, MaskFile]:
    """{name: file} of "NAME=FILE", "NAME=MAP#rrggbb" or "MAP".

    A map alone gives one region for each of its colors, named "rrggbb".

    Raises:
        InputError: for a name given twice, or a map that cannot be read.
    """
    found: dict[str, MaskFile] = {}
    for text in texts:
        name, path = split_name(text)
        path, color = split_color(path)
        if name or color:
            one = {name or color: MaskFile(Path(path), color)}
        else:
            if len(texts) > 1 and not os.path.exists(path):
                raise InputError(f"the mask {path} does not exist; commas stand between masks")
            one = {_hex(color): MaskFile(Path(path), _hex(color)) for color in palette(path)}
        for region, file in one.items():
            if region in found or region in (ALL, REST):
                why = "is given twice" if region in found else "has a meaning of its own"
                raise InputError(f"the mask {region} (={text}) {why}; choose another name")
            found[region] = file
    return found


def split_name(text: str) -> tuple[str, str]:
    """("sky", "a.png") of "sky=a.png"; ("", text) of any other text, or of an existing file."""
    named = None if os.path.exists(text) else _NAMED.fullmatch(text)
    return (named[1], named[2]) if named else ("", text)


def split_color(text: str, folder: str | Path = "") -> tuple[str, str]:
    """("a.png", "ff0000") of "a.png#ff0000"; (text, "") of other text, or of a file in a folder."""
    colored = None if os.path.exists(Path(folder, text)) else _COLORED.fullmatch(text)
    return (colored[1], colored[2].lower()) if colored else (text, "")


def palette(path: str | Path) -> np.ndarray:
    """f32[n, 3], the colors of a map, 0 .. 255; seams and noise between them are no colors.

    Raises:
        InputError: if the file is no picture, or has a single color.
    """
    return _palette(_levels(path), path)


def _palette(levels: np.ndarray, path: str | Path) -> np.ndarray:
    codes, counts = np.unique(levels @ [65536, 256, 1], return_counts=True)
    kept: list[np.ndarray] = []
    for i in np.argsort(-counts):
        if counts[i] < _LEAST * counts.sum():
            break
        color = np.array([int(codes[i]) >> shift & 255 for shift in (16, 8, 0)], np.float32)
        if all(np.linalg.norm(color - other) >= _APART for other in kept):
            kept.append(color)
    if len(kept) < 2:
        raise InputError(
            f"{path} has no regions: it is a map of fewer than two colors; "
            "write NAME=FILE for a gray mask"
        )
    return np.stack(kept)


def read(
    files: Mapping[str, MaskFile], region: str, shape: tuple[int, int], owner: str | Path
) -> np.ndarray:
    """f32[h, w] in [0, 1] of a region of a picture; see `read_all`."""
    return read_all(files, [region], shape, owner)[region]


def read_all(
    files: Mapping[str, MaskFile],
    regions: Sequence[str],
    shape: tuple[int, int],
    owner: str | Path,
) -> dict[str, np.ndarray]:
    """{region: f32[h, w] in [0, 1]} of a picture; a map is read once for all of its colors.

    Args:
        files: the picture's masks by name.
        regions: names among them, or "rest".
        shape: (h, w) of the picture, which its masks must have too.
        owner: the picture, for messages.

    Raises:
        InputError: if there is no such mask, or it cannot be read, or it is empty.
    """
    for region in regions:
        if not files or (region != REST and region not in files):
            name = "mask" if region in ("mask", REST) else f"mask_{region}"
            there = f" (but {', '.join(files)})" if files else ""
            raise InputError(f"{owner} has no {name}{there}; add a column {name} or use region=all")
    needed = files if REST in regions else regions
    read_map = cache(_read_map)
    found = {name: _read_one(files[name], shape, owner, read_map) for name in needed}
    masks = {}
    for region in regions:
        named = region != REST
        mask = found[region] if named else rest(found)
        if not mask.any():
            file = files[region] if named else next(iter(files.values()))
            seen = f"of color {file.color}" if file.color else "white"
            what = seen if named else "black"
            raise InputError(f"{file.path} has nothing {what}; drop the image or mend the mask")
        masks[region] = mask.astype(np.float32)
    return masks


def rest(masks: Mapping[str, np.ndarray]) -> np.ndarray:
    """f32[h, w]: what none of {region: mask} covers."""
    return np.clip(1 - np.sum(list(masks.values()), axis=0), 0, 1)


def uncovered(masks: Mapping[str, np.ndarray]) -> bool:
    """Whether there is a rest worth the name: a thousandth of the picture."""
    return bool(rest(masks).mean() > 1e-3)


def _read_one(
    file: MaskFile,
    shape: tuple[int, int],
    owner: str | Path,
    read_map: Callable[[Path], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    if file.color:
        colors, nearest = read_map(file.path)
        wanted = np.array([int(file.color[i : i + 2], 16) for i in (0, 2, 4)], np.float32)
        here = np.linalg.norm(colors - wanted, axis=1)
        if here.min() >= _APART:
            names = ", ".join(map(_hex, colors))
            raise InputError(f"{file.path} has no color {file.color}; its colors are {names}")
        mask = (nearest == here.argmin()).astype(np.float32)
    else:
        mask = images.decode_mask(images.read_bytes(file.path), file.path)
    if mask.shape != shape:
        raise InputError(
            f"{file.path} is {mask.shape[1]}x{mask.shape[0]} pixels and {owner} "
            f"{shape[1]}x{shape[0]}; make them equal"
        )
    return mask


def _read_map(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(f32[n, 3], the colors of a map; u8[h, w], which of them is nearest: `_LEAST` allows 200)."""
    levels = _levels(path)
    colors = _palette(levels, path)
    nearest = np.empty(levels.shape[:2], np.uint8)
    for rows in images.strips(*levels.shape[:2]):
        nearest[rows] = _nearest(levels[rows], colors)
    return colors, nearest


def _nearest(levels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """i64[h, w]: which of the colors f32[n, 3] is nearest; the first of several."""
    nearest, least = np.zeros(levels.shape[:2], np.int64), np.full(levels.shape[:2], np.inf)
    for number, color in enumerate(colors):
        distance = np.linalg.norm(levels - color, axis=2)
        nearest[distance < least] = number
        least = np.minimum(distance, least)
    return nearest


def _levels(path: str | Path) -> np.ndarray:
    return images.to_bytes(images.read(path)).astype(np.float32)


def _hex(color: np.ndarray) -> str:
    return "".join(f"{int(level):02x}" for level in color)
