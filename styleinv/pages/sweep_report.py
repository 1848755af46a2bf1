"""A sweep's folder -> report.html: its pictures by the axes of the grid, its numbers, its plots.

The page is made of files only. It needs no network, and no script but for sorting the table.
"""

import base64
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

from styleinv.journal import flatten, read_json, read_metrics
from styleinv.pages import chart, page, sweep_table
from styleinv.pages.page import Picture

COLUMNS = {
    "loss": "Loss",
    "style": "Style",
    "content": "Content",
    "variation": "Variation",
    "dispersion": "Dispersion",
    "distance": "Distance",
    "seconds": "Seconds",
    "compiled": "Compiled",
}
_COLORS = 8  # that stay apart
_SCRIPT = Path(__file__).with_name("sweep_report.js")


class Axis(NamedTuple):
    """An axis of the grid, as its reader sees it.

    Attributes:
        name: of its fields.
        labels: one for each position.
        is_quantity: whether the positions are numbers that a line may join.
    """

    name: str
    labels: list[str]
    is_quantity: bool


class Cell(NamedTuple):
    """A cell as its reader sees it.

    Attributes:
        number: its place in the table, from 1.
        place: its position on each axis.
        row: see `sweep_table.rows`.
        small: its first picture, as it stands in the grid; None if it has none.
        large: all its pictures.
        curve: an <svg>, or "".
        changes: [(field, value in the base, value here)].
    """

    number: int
    name: str
    place: tuple[int, ...]
    row: Mapping[str, Any]
    small: Picture | None
    large: list[Picture]
    curve: str
    changes: list[tuple[str, str, str]]
    command: str


class Plot(NamedTuple):
    """The loss over an axis.

    Attributes:
        by: the axis that has a color for each position, or None.
        averaged: the names of the axes that the lines are means over.
    """

    axis: Axis
    svg: str
    by: Axis | None
    averaged: list[str]


def write_report(folder: Path) -> Path:
    """Writes report.html into a sweep's folder and returns its path.

    Args:
        folder: with sweep.json, and the runs of its cells as far as there are any.

    Raises:
        InputError: if a JSON file is broken, or the folder cannot be written.
    """
    sweep = read_json(folder / "sweep.json")
    axes = [_axis(**axis) for axis in sweep["axes"]]
    cells = _cells(folder, sweep, axes)
    script = _SCRIPT.read_text("utf-8")
    fingerprint = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    finished = [cell for cell in cells if cell.row["status"] == "finished"]
    known = [cell for cell in finished if cell.row["distance"] is not None]
    return page.write_page(
        folder,
        "sweep_report.html.jinja",
        sweep | {"experiment": f"sweep of {sweep['experiment']}"},
        flatten(sweep["base"]),
        axes=axes,
        cells=cells,
        groups=_groups(axes, cells),
        columns={k: v for k, v in COLUMNS.items() if any(c.row[k] is not None for c in cells)},
        fields={
            field: name
            for axis in sweep["axes"]
            for field, name in zip(axis["fields"], axis["names"], strict=True)
        },
        finished=finished,
        failed=[cell for cell in cells if cell.row["status"].startswith("failed")],
        nearest=min(known, key=lambda cell: cell.row["distance"], default=None),
        plots=[plot for i in range(len(axes)) if (plot := _plot(axes, i, finished)).svg],
        script=script,
        fingerprint=fingerprint,
    )


def _axis(fields: Sequence[str], names: Sequence[str], values: Sequence[Sequence[str]]) -> Axis:
    columns = zip(fields, zip(*values, strict=True), strict=True)
    quantity = any(field != "seeds" and all(map(_is_number, column)) for field, column in columns)
    return Axis(" / ".join(names), [" / ".join(texts) for texts in values], quantity)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cells(folder: Path, sweep: Mapping[str, Any], axes: Sequence[Axis]) -> list[Cell]:
    rows, base = sweep_table.rows(folder), flatten(sweep["base"])
    places = itertools.product(*(range(len(axis.labels)) for axis in axes))
    scale = min(1.0, sqrt(40 / len(rows)))  # so that many cells make a page of a few megabytes
    found = []
    for number, (place, row) in enumerate(zip(places, rows, strict=True), 1):
        run, facts = folder / "cells" / row["cell"], sweep["cells"][row["cell"]]
        made = sweep_table.pictures(run)
        config = flatten(read_json(run / "config.json")) if (run / "config.json").is_file() else {}
        here = config or base | {f"config.{k}": v for k, v in facts["values"].items()}
        name = ", ".join(
            f"{axis.name} {axis.labels[i]}" for axis, i in zip(axes, place, strict=True)
        )
        small = page.picture(made[0], round(160 * scale), name, quality=80) if made else None
        found.append(
            Cell(
                number,
                name,
                place,
                row,
                small,
                [page.picture(path, round(288 * scale), path.name) for path in made[:6]],
                _curve(read_metrics(run / "metrics.jsonl"), name),
                [(k, base.get(k, "-"), v) for k, v in here.items() if base.get(k) != v],
                facts["command"],
            )
        )
    return found


def _groups(axes: Sequence[Axis], cells: Sequence[Cell]) -> list[tuple[str, list[list[Cell]]]]:
    """[(what the group's cells have in common, rows of cells)]: the last two axes make a table."""
    found = []
    for outer, group in groupby(cells, key=lambda cell: cell.place[:-2]):
        common = zip(axes, outer, strict=False)
        title = ", ".join(f"{axis.name} {axis.labels[i]}" for axis, i in common)
        rows = groupby(group, key=lambda cell: cell.place[:-1])
        found.append((title, [list(row) for _, row in rows]))
    return found


def _curve(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The loss over the steps, with the terms of the first picture; "" without a step."""
    if not rows:
        return ""
    lines = []
    for (picture, _), stage in groupby(rows, key=lambda row: (row["picture"], row["stage"])):
        steps = list(stage)
        if picture == rows[0]["picture"]:
            for term in [
                term for term in steps[0]["values"] if "/" not in term and "@" not in term
            ]:
                points = [(row["step"], row["values"].get(term)) for row in steps]
                lines.append(chart.Line(points, f"term {term}"))
        look = "total" if picture == rows[0]["picture"] else "other"
        lines.append(chart.Line([(row["step"], row["loss"]) for row in steps], look))
    ends = [list(stage)[-1]["step"] for _, stage in groupby(rows, key=lambda row: row["stage"])]
    ticks = [(step, str(step)) for step in sorted({1, *ends})]
    return chart.draw(lines, ticks, "step", f"The loss over {ends[-1]} steps of {name}")


def _plot(axes: Sequence[Axis], index: int, cells: Sequence[Cell]) -> Plot:
    """The loss over one axis: a dot for each cell, and lines through their means."""
    axis = axes[index]
    others = [i for i in range(len(axes)) if i != index and len(axes[i].labels) > 1]
    fit = [i for i in others if len(axes[i].labels) <= _COLORS]
    by = next((i for i in fit if axes[i].name != "seed"), next(iter(fit), None))
    dots, means = [], []
    for color in range(len(axes[by].labels)) if by is not None else [0]:
        own = [cell for cell in cells if by is None or cell.place[by] == color]
        points = [(cell.place[index], cell.row["loss"]) for cell in own]
        columns = groupby(sorted(points), key=lambda point: point[0])
        known = [(x, [y for _, y in column]) for x, column in columns]
        mean = [(x, sum(values) / len(values)) for x, values in known]
        dots.append(chart.Line(points, f"c{color}", joined=False, marked=True))
        means.append(chart.Line(mean, f"c{color}", joined=axis.is_quantity))
    averaged = [axes[i].name for i in others if i != by]
    lines = [*(means if axis.is_quantity else ()), *dots]
    said = f"The loss by {axis.name}" + (f", colored by {axes[by].name}" if by is not None else "")
    svg = chart.draw(lines, list(enumerate(axis.labels)), axis.name, said)
    return Plot(axis, svg, axes[by] if by is not None else None, averaged)
