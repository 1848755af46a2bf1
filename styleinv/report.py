"""A run's folder -> curve.png and report.html, one page that needs nothing else.

The page shows the style image beside its references, says in one paragraph what the numbers mean,
and ends with all that is needed to run it again. It reads files only: a run that was interrupted,
on another machine or a year ago, can be reported too.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from itertools import groupby
from math import inf, log10, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from PIL import Image

from styleinv import curves, files, images
from styleinv.errors import InputError
from styleinv.journal import flatten, read_json, read_metrics

SHOWN = 48  # references in the mosaic
MOSAIC, SNAPSHOT = 768, 320  # resolutions of small pictures, enough for dense screens


class Reference(NamedTuple):
    """A picture of the dataset and its share of it; the shares sum to 1."""

    name: str
    path: Path
    weight: float


class Picture(NamedTuple):
    """An embedded picture, or, with `uri` None, one that could not be read."""

    uri: str | None
    caption: str
    note: str = ""


def write_report(folder: Path, references: Sequence[Reference]) -> Path:
    """Writes curve.png and report.html into a run's folder and returns the path of the report.

    Without results.json (an interrupted run) the report tells how far the run came; without a
    single step there is no curve. Pictures that are gone are named in their place.

    Args:
        folder: with run.json and config.json, and what else the run left there.
        references: the dataset, of which the heaviest are shown; may be empty.

    Raises:
        InputError: if a JSON file is missing or broken, or the folder cannot be written.
    """
    run, config = read_json(folder / "run.json"), read_json(folder / "config.json")
    results = read_json(folder / "results.json") if (folder / "results.json").exists() else None
    rows = read_metrics(folder / "metrics.jsonl")
    seed = results["best_seed"] if results else rows[-1]["seed"] if rows else 0
    own = [row for row in rows if row["seed"] == seed]

    wide = narrow = None
    if own:
        wide, narrow = curves.draw(rows, seed), curves.draw(rows, seed, narrow=True)
        files.write(folder / "curve.png", wide)
    snapshots = _snapshot_paths(folder, seed)
    saved = (folder / "style.png").exists()
    style_image = folder / "style.png" if saved else next(reversed(snapshots.values()), None)
    shown = sorted(references, key=lambda reference: -reference.weight)[:SHOWN]
    settings, command = flatten(config), run["command"]
    page = _template().render(
        run=run,
        results=results,
        references=references,
        unequal=len({round(reference.weight, 6) for reference in references}) > 1,
        style_image=style_image and _uri(style_image.read_bytes(), "png"),
        style_shape=images.read(style_image).shape[1::-1] if style_image else (1, 1),
        style_saved=saved,
        mosaic=_mosaic(shown),
        mosaic_rows=_rows(len(shown)),
        snapshots=_snapshots(snapshots, own),
        seed=seed,
        stages=_stages(own),
        steps=own[-1]["step"] if own else 0,
        curve=wide and _uri(wide, "png"),
        narrow_curve=narrow and _uri(narrow, "png"),
        positions=_positions(results["layers"] | {"": results["total"]}) if results else None,
        finals=_finals(folder, results["seeds"]) if results else [],
        settings=settings,
        changed={name for name in settings if re.search(rf"--{re.escape(name)}[= ]", command)},
    )
    report = folder / "report.html"
    files.write(report, page.encode())
    return report


def compare(distance: float, other: float) -> tuple[str, str]:
    """How a distance relates to another one, as ("3.2 times closer", "than")."""
    if not distance:
        return "infinitely closer", "than"
    ratio = other / distance
    if 0.95 < ratio < 1.05:
        return "about as close", "as"
    times = max(ratio, 1 / ratio) if ratio else inf
    factor = f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
    return f"{factor} times {'closer' if ratio > 1 else 'farther'}", "than"


def _snapshot_paths(folder: Path, seed: int) -> dict[int, Path]:
    """{step: path}, in the order of the steps."""
    paths = {}
    for path in folder.glob(f"images/seed{seed}_step*.png"):
        if match := re.fullmatch(r"seed\d+_step(\d+)\.png", path.name):
            paths[int(match[1])] = path
    return dict(sorted(paths.items()))


def _snapshots(paths: Mapping[int, Path], own: Sequence[Mapping[str, Any]]) -> list[Picture]:
    notes = {row["step"]: f"{row['resolution']} px" for row in own}
    return [
        _picture(path, SNAPSHOT, f"step {step}", notes.get(step, ""))
        for step, path in paths.items()
    ]


def _finals(folder: Path, seeds: Sequence[Mapping[str, Any]]) -> list[tuple[Picture, Any]]:
    return [(_picture(folder / it["image"], SNAPSHOT, f"seed {it['seed']}"), it) for it in seeds]


def _rows(size: int) -> int:
    """Rows of a square mosaic; when in doubt one more, because most pictures are wide."""
    return max(1, round(sqrt(size) + 0.1))


def _mosaic(references: Sequence[Reference]) -> list[Picture]:
    resolution = MOSAIC // _rows(len(references))
    return [
        _picture(reference.path, resolution, reference.name, percent(reference.weight))
        for reference in references
    ]


def _picture(path: Path, resolution: int, caption: str, note: str = "") -> Picture:
    try:
        image = images.read(path)
    except InputError:
        return Picture(None, caption, note)
    height, width = image.shape[:2]
    smaller = max(1, min(resolution, int(sqrt(height * width))) // 16) * 16
    image = images.resize(image, *images.frame(height, width, smaller))
    buffer = io.BytesIO()
    # Without chroma subsampling: color at the scale of strokes is what the page is about.
    Image.fromarray(images.to_bytes(image)).save(buffer, "JPEG", quality=88, subsampling=0)
    return Picture(_uri(buffer.getvalue(), "jpeg"), caption, note)


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _stages(own: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    stages = [list(group) for _, group in groupby(own, key=lambda row: row["stage"])]
    return [{**rows[-1], "steps": len(rows), "first_loss": rows[0]["loss"]} for rows in stages]


def _positions(layers: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """Where on a logarithmic axis each distance lies, in percent of its length."""
    distances = [value for row in layers.values() for value in row.values() if value]
    low, high = (log10(end(distances, default=1.0)) for end in (min, max))
    return {
        layer: {
            kind: 4 + 92 * ((log10(value) - low) / (high - low or 1) if value else 0)
            for kind, value in row.items()
            if value is not None
        }
        for layer, row in layers.items()
    }


def number(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return "-"
    if value == 0 or 1e-4 <= abs(value) < 1000:
        return f"{value:#.3g}".rstrip(".") if value else "0"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.2e}"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def moment(iso: str | None) -> str:
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M}" if iso else "-"


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {f.__name__: f for f in (number, duration, moment, compare)}
    text = resources.files("styleinv").joinpath("report.html.jinja").read_text("utf-8")
    return environment.from_string(text)
