"""Pictures in tar files (the layout of WebDataset), parquet tables and nested folders.

Read through Hugging Face's `datasets`, an extra, which keeps an index of them in its own cache.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from styleinv import images
from styleinv.errors import InputError, reading, reason_of
from styleinv.manifest import MANIFEST, Item, inside, weight_of

_LAYOUTS = {".tar": "webdataset", ".parquet": "parquet"}


class Table(NamedTuple):
    """Items, and a function: item -> its picture's bytes."""

    items: Sequence[Item]
    read: Callable[[Item], bytes]


def layout_of(path: Path) -> str:
    """Which of the library's layouts a path has; "" if it is not for that library."""
    if os.path.isfile(path):
        return _LAYOUTS.get(path.suffix, "")
    if not os.path.isdir(path):
        return ""
    with reading(path):
        return _layout_of_folder(path)


def _layout_of_folder(path: Path) -> str:
    if (path / MANIFEST).exists():
        return ""
    below = [file for file in path.iterdir() if not file.name.startswith(".")]
    if any(file.suffix.lower() in images.EXTENSIONS for file in below):
        return ""
    for suffix, layout in _LAYOUTS.items():
        if any(path.rglob(f"*{suffix}")):
            return layout
    return "imagefolder" if any(file.is_dir() for file in below) else ""


def find(path: Path, layout: str) -> Table:
    """The items, in the library's order: splits in turn, of each its rows.

    A column `weight` counts as in metadata.csv.

    Raises:
        InputError: if the library is not there, or cannot make anything of the path.
    """
    try:
        import datasets
    except ImportError:
        raise InputError(f"{path} needs the package datasets; pip install datasets") from None
    suffix = {layout: suffix for suffix, layout in _LAYOUTS.items()}.get(layout)
    source: dict[str, Any] = {"data_dir": str(path)}
    if suffix:
        files = [str(path)] if path.is_file() else sorted(map(str, path.rglob(f"*{suffix}")))
        source = {"data_files": files}
    datasets.disable_progress_bars()
    try:
        splits = datasets.load_dataset(layout, **source)
    except Exception as error:  # whatever broken files provoke, from whichever library
        reason = reason_of(error, 300)
        raise InputError(f"{path} cannot be read as {layout}: {reason}") from None
    items, places, root = [], {}, path.parent if path.is_file() else path
    for split, rows in splits.items():
        column = next((k for k, v in rows.features.items() if isinstance(v, datasets.Image)), None)
        if column is None:
            raise InputError(
                f"{path} has no column of pictures, but {', '.join(rows.column_names)}"
            )
        rows = rows.cast_column(column, datasets.Image(decode=False))
        weights = rows["weight"] if "weight" in rows.column_names else [None] * len(rows)
        for row, weight in enumerate(weights):
            name = f"{split}/{row}"
            where = f"{path}, {name}"
            given = "" if weight is None else str(weight)
            item = Item(name, path / split / str(row), weight_of(given, where))
            items.append(item)
            places[item.path] = rows, column, row

    def read(item: Item) -> bytes:
        rows, column, row = places[item.path]
        cell = rows[row][column] or {}
        if cell.get("bytes") is not None:
            return cell["bytes"]
        if not cell.get("path"):
            raise InputError(f"{item.path} has no picture")
        return images.read_bytes(inside(root, cell["path"], str(item.path)))

    return Table(items, read)
