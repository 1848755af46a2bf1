"""metadata.csv for proposed masks; one that is there is never touched."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from styleinv import files
from styleinv.dataset import MANIFEST
from styleinv.errors import InputError
from styleinv.manifest import read_rows

Rows = Sequence[Mapping[str, str]]  # {column: cell} of each


def rows_of(folder: Path, names: Sequence[str], overwrite: bool) -> Rows:
    """What is listed before there are masks: what the folder's metadata.csv does, or its pictures.

    Raises:
        InputError: for what `write` could not do, or should not.
    """
    path = folder / MANIFEST
    if not path.is_file():
        for name in names:
            try:
                name.encode()
            except UnicodeEncodeError:
                message = f"{folder}/{name} cannot be listed in a {MANIFEST}; rename it"
                raise InputError(message) from None
        return [{"file_name": name} for name in names]
    new = path.with_suffix(".new.csv")
    if new.exists() and not overwrite:
        raise InputError(f"{new} is there; put it in the place of {MANIFEST}, or use --overwrite")
    return [row for _, row in read_rows(path)]


def write(
    folder: Path, before: Rows, proposed: Mapping[str, Mapping[str, str]], overwrite: bool
) -> Path:
    """Lists {picture: {region: mask}}; what was there before keeps its rows, columns and weights.

    Args:
        before: see `rows_of`.
        proposed: all paths relative to the folder.
        overwrite: names new masks where others were named.

    Returns:
        The file that lists them: a new one beside a metadata.csv that does not.
    """
    path, rows = folder / MANIFEST, [dict(row) for row in before]
    for row in rows:
        for region, mask in proposed[row["file_name"]].items():
            column = f"mask_{region}"
            row[column] = mask if overwrite else row.get(column) or mask
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if path.is_file():
        if rows == before:
            return path
        path = path.with_suffix(".new.csv")
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write(path, text.getvalue().encode())
    return path
