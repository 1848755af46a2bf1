"""The numbers of a sweep: one row per cell, out of sweep.json and the cells' own folders."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from styleinv.journal import read_json

# What results.json calls them. None is called as a field of the config, which a grid may be over.
NUMBERS = {
    "loss": "loss",
    "style": "style",
    "content": "content",
    "variation": "tv",
    "dispersion": "dispersion",
    "per_image": "per_image",
    "distance": "distance",
}


def rows(folder: Path) -> list[dict[str, Any]]:
    """One row per cell, in the order of the grid; None for what is not known.

    Returns:
        "cell", the grid's fields, "status" (finished, interrupted, waiting, or failed and why),
        `NUMBERS`, "seconds", "compiled", "read".
    """
    sweep = read_json(folder / "sweep.json")
    found = []
    for slug, cell in sweep["cells"].items():
        run = folder / "cells" / slug
        status = cell["status"] + (f": {cell['reason']}" if cell.get("reason") else "")
        row = {"cell": slug, **cell["values"], "status": status}
        found.append(row | numbers(run) | {key: cell[key] for key in ("compiled", "read")})
    return found


def numbers(run: Path) -> dict[str, float | None]:
    """`NUMBERS` and seconds of a run's folder; None for what is not there.

    Means over the pictures of a transfer. The distance is relative to the style's own square and
    a mean over layers, so that runs of other weights and resolutions can be compared by it.
    """
    results = read_json(run / "results.json") if (run / "results.json").is_file() else {}
    found = {name: results.get(key) for name, key in NUMBERS.items()}
    pictures = results.get("pictures", [])
    if "total" in results:
        found["distance"] = results["total"]["learned"]
    else:
        for name in ("loss", "style", "content", "variation"):
            found[name] = _mean([each.get(NUMBERS[name]) for each in pictures])
        regions = [region for each in pictures for region in each["regions"].values()]
        found["distance"] = _mean([region["total"]["stylized"] for region in regions])
    state = read_json(run / "run.json") if (run / "run.json").is_file() else {}
    return found | {"seconds": state.get("seconds")}


def as_csv(folder: Path) -> bytes:
    """metrics.csv: `rows` with a head; empty for what is not known."""
    table = rows(folder)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, table[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return buffer.getvalue().encode("utf-8", "surrogateescape")


def pictures(run: Path) -> Sequence[Path]:
    """The pictures that a finished run made."""
    path = run / "results.json"
    made: Sequence[Mapping[str, Any]] = read_json(path)["pictures"] if path.is_file() else ()
    return [run / (each.get("image") or each["output"]) for each in made]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
