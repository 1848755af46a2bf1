"""metadata.csv -> items: which pictures there are, what they weigh, and what belongs to each.

It follows Hugging Face's imagefolder: a column `file_name`, relative to the folder, and optionally
`weight` (a number, 1 where absent), `mask` (a gray image of the same size, white inside; or
`map.png#rrggbb`, the positions of one color), `mask_NAME` for any number of named regions, and
`original` (the photograph that a filter made the picture of). All files lie in the folder, with
links followed.
"""

import csv
import io
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from styleinv import images, masks
from styleinv.errors import InputError
from styleinv.masks import MaskFile

MANIFEST = "metadata.csv"


class Item(NamedTuple):
    """One picture of a dataset.

    Attributes:
        name: as the manifest has it.
        weight: 0 or more.
        masks: {region: file}.
        region: the only region that the picture is for; "" if it is for all.
        original: the photograph that it was made of, where that is known.
    """

    name: str
    path: Path
    weight: float = 1.0
    masks: Mapping[str, MaskFile] = MappingProxyType({})
    region: str = ""
    original: Path | None = None


def read_manifest(path: Path) -> list[Item]:
    """The items of a metadata.csv, in its order.

    Raises:
        InputError: if something in it is wrong; it names the line.
    """
    items, seen = [], set()
    for line, row in read_rows(path):
        where = f"{path}, line {line}"
        item = _item(path.parent, {column: cell for column, cell in row.items() if cell}, where)
        file = os.path.realpath(item.path)
        if file in seen:
            raise InputError(f"{where}: {item.name} is listed twice; use its weight instead")
        seen.add(file)
        items.append(item)
    return items


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(number of the line, {column: cell}) of each row of a metadata.csv, less spaces around.

    Raises:
        InputError: if something in the columns is wrong, or in the number of cells; or if there is
            no row.
    """
    try:
        text = images.read_bytes(path).decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
        columns = table.fieldnames = [name.strip() for name in table.fieldnames or ()]
        rows = [(table.line_num, row) for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a UTF-8 CSV file: {error}") from None
    _check_columns(path, columns)
    if not rows:
        raise InputError(f"{path} lists no images; add a line for each")
    for line, row in rows:
        if None in row:
            raise InputError(
                f"{path}, line {line}: there are more cells than columns; put quotes around commas"
            )
    return [(line, {name: (row[name] or "").strip() for name in columns}) for line, row in rows]


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    """Raises an InputError for names that say nothing, or the same thing twice."""
    if "file_name" not in columns:
        raise InputError(f"{path} has no column file_name, but {', '.join(columns) or 'nothing'}")
    seen = set()
    for name in filter(None, columns):
        if name.startswith("mask_") and not re.fullmatch(masks.NAME, name[5:]):
            raise InputError(f"{path} has a column {name!r}; name regions in letters and digits")
        if name in (f"mask_{masks.ALL}", f"mask_{masks.REST}"):
            raise InputError(f"{path} has a column {name}, a name with another meaning; rename it")
        meaning = "mask" if name == "mask_mask" else name
        if meaning in seen:
            raise InputError(f"{path} has two columns {meaning}; rename or remove one")
        seen.add(meaning)


def _item(folder: Path, cells: Mapping[str, str], where: str) -> Item:
    name, original = cells.get("file_name", ""), cells.get("original")
    return Item(
        name,
        inside(folder, name, where),
        weight_of(cells.get("weight"), where),
        {
            column.removeprefix("mask_"): _mask_file(folder, cell, where)
            for column, cell in cells.items()
            if column == "mask" or column.startswith("mask_")
        },
        original=inside(folder, original, where) if original else None,
    )


def inside(folder: Path, name: str, where: str) -> Path:
    """The path of a file that something in a folder names.

    Args:
        where: it is named, for the InputError if it is outside of the folder, or no name.
    """
    if not name:
        raise InputError(f"{where}: file_name is empty")
    if "\0" in name:
        raise InputError(f"{where}: {name!r} is not a file name")
    path = folder / name
    if leads_out(path, folder):
        raise InputError(f"{where}: {name} is outside of the folder {folder}; copy it into it")
    return path


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a path in a folder is, links followed, one outside of it.

    A dataset may come from anywhere, and must not make a run read what its user never named.
    """
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _mask_file(folder: Path, cell: str, where: str) -> MaskFile:
    name, color = masks.split_color(cell, folder)
    return MaskFile(inside(folder, name, where), color)


def weight_of(text: str | None, where: str) -> float:
    """A weight of 0 or more; 1 where there is no text.

    Args:
        where: the text is from, for the InputError if it is something else.
    """
    if not text:
        return 1.0
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"{where}: weight (={text}) must be a number, 0 or more")
    return weight
