"""metadata.csv for proposed masks; one that is there is never touched."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from styleinv import files
from styleinv.dataset import MANIFEST


def write(folder: Path, proposed: Mapping[str, Mapping[str, str]], overwrite: bool) -> Path:
    """Lists {picture: {region: mask}}; what was there before keeps its rows, columns and weights.

    Args:
        proposed: all paths relative to the folder.
        overwrite: names new masks where others were named.

    Returns:
        The file that lists them: a new one beside a metadata.csv that does not.
    """
    path, rows = folder / MANIFEST, [{"file_name": name} for name in proposed]
    if path.is_file():
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [{k: v or "" for k, v in row.items()} for row in csv.DictReader(file)]
    before = [dict(row) for row in rows]
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
