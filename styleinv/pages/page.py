"""What the pages of runs are made of: pictures as data, numbers as text, and the frame around them.

A page is one HTML file that needs nothing else. It is made of files only: a run that was
interrupted, on another machine or a year ago, can be reported too. page.html.jinja is the frame
that all pages share, parts.html.jinja what several of them show.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import groupby
from math import log10, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from PIL import Image

from styleinv import files, images
from styleinv.errors import InputError
from styleinv.journal import flatten, read_json
from styleinv.pages import curves

SNAPSHOT = 320  # resolution of small pictures, enough for dense screens

Row = Mapping[str, Any]  # a line of metrics.jsonl


class Reference(NamedTuple):
    """A picture that a run was given, and its share among those of its kind; shares sum to 1."""

    name: str
    path: Path
    weight: float


class Picture(NamedTuple):
    """An embedded picture, or, with `uri` None, one that could not be read.

    Attributes:
        shape: (width, height) in pixels of the file, or None.
    """

    uri: str | None
    caption: str
    note: str = ""
    shape: tuple[int, int] | None = None


def write(folder: Path, template: str, **values: Any) -> Path:
    """Writes report.html into a run's folder and returns its path.

    Args:
        folder: with run.json and config.json.
        template: extends page.html.jinja.
        values: what the template shows besides these two.

    Raises:
        InputError: if a JSON file is missing or broken, or the folder cannot be written.
    """
    run, settings = read_json(folder / "run.json"), flatten(read_json(folder / "config.json"))
    return write_page(folder, template, run, settings, **values)


def write_page(
    folder: Path, template: str, run: Mapping[str, Any], settings: Mapping[str, str], **values: Any
) -> Path:
    """Writes report.html into any folder and returns its path.

    Args:
        template: extends page.html.jinja.
        run: as run.json is.
        settings: {dotted name of a field: its value as text}.
        values: what the template shows besides these two.

    Raises:
        InputError: if the folder cannot be written.
    """
    changed = {name for name in settings if _is_set(name, settings[name], run["command"])}
    page = (
        _environment()
        .get_template(template)
        .render(run=run, settings=settings, changed=changed, **values)
    )
    report = folder / "report.html"
    files.write(report, page.encode("utf-8", "replace"))  # of odd file names, surrogates
    return report


@cache  # with the templates that it has read
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("styleinv.pages", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {f.__name__: f for f in (number, percent, duration, moment, compare)}
    return environment


def write_curves(path: Path, own: Sequence[Row], others: Sequence[Sequence[Row]]) -> list[str]:
    """Writes a PNG; its URI and that of a narrow one for phones, or nothing without rows.

    Args:
        own: of the picture that it is about.
        others: of each other one.
    """
    if not own:
        return []
    wide, narrow = curves.draw(own, others), curves.draw(own, others, narrow=True)
    files.write(path, wide)
    return [embed(wide, "png"), embed(narrow, "png")]


def embed(content: bytes, kind: str) -> str:
    """The data URI of an image file, of a kind: "png", "jpeg"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def picture(
    path: Path, resolution: int, caption: str, note: str = "", *, quality: int = 88
) -> Picture:
    """A picture of at most resolution^2 pixels, in its own aspect ratio."""
    try:
        image = images.read(path)
    except InputError:
        return Picture(None, caption, note)
    height, width = image.shape[:2]
    scale = min(1, resolution / sqrt(height * width))
    image = images.resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
    buffer = io.BytesIO()
    # Without chroma subsampling: color at the scale of strokes is what a page is about.
    pixels = Image.fromarray(images.to_bytes(image))
    pixels.save(buffer, "JPEG", quality=quality, subsampling=0)
    return Picture(embed(buffer.getvalue(), "jpeg"), caption, note, (width, height))


def heaviest(references: Sequence[Reference], size: int) -> list[Reference]:
    """At most `size` of them, the heaviest first."""
    return sorted(references, key=lambda reference: -reference.weight)[:size]


def snapshot_paths(folder: Path, name: str) -> dict[int, Path]:
    """{step: path} of the snapshots of the picture with that name, in the order of the steps."""
    paths = {}
    for path in folder.glob("images/*.png"):
        if match := re.fullmatch(rf"{re.escape(name)}_step(\d+)\.png", path.name):
            paths[int(match[1])] = path
    return dict(sorted(paths.items()))


def snapshots(paths: Mapping[int, Path], own: Sequence[Row]) -> list[Picture]:
    """The pictures of `snapshot_paths`, small, with the resolutions that their rows have."""
    notes = {row["step"]: f"{row['resolution']} px" for row in own}
    return [
        picture(path, SNAPSHOT, f"step {step}", notes.get(step, "")) for step, path in paths.items()
    ]


def stages(own: Sequence[Row]) -> list[dict[str, Any]]:
    """The last row of each stage, with its number of steps and its first loss."""
    groups = [list(group) for _, group in groupby(own, key=lambda row: row["stage"])]
    return [{**rows[-1], "steps": len(rows), "first_loss": rows[0]["loss"]} for rows in groups]


def positions(
    distances: Mapping[Any, Mapping[str, float | None]],
) -> dict[Any, dict[str, float]]:
    """Where on a logarithmic axis each distance lies, in percent of its length."""
    above = [value for row in distances.values() for value in row.values() if value]
    low, high = (log10(end(above, default=1.0)) for end in (min, max))
    return {
        key: {
            kind: 4 + 92 * ((log10(value) - low) / (high - low or 1) if value else 0)
            for kind, value in row.items()
            if value is not None
        }
        for key, row in distances.items()
    }


def compare(distance: float, other: float) -> tuple[str, str]:
    """How a distance relates to another one, as ("3.2 times closer", "than")."""
    if distance == other:
        return "about as close", "as"
    if not (distance and other):
        return f"infinitely {'farther' if distance else 'closer'}", "than"
    ratio = other / distance
    if 0.95 < ratio < 1.05:
        return "about as close", "as"
    times = max(ratio, 1 / ratio)
    factor = f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
    return f"{factor} times {'closer' if ratio > 1 else 'farther'}", "than"


def number(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return "-"
    if value == 0 or 1e-4 <= abs(value) < 1000:
        return f"{value:#.3g}".rstrip(".") if value else "0"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.2e}"


def percent(share: float) -> str:
    """A share of 1 in percent: whole ones, below ten with two digits."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    """Its two largest units: hours and minutes, or minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def moment(iso: str | None) -> str:
    """A time of run.json to the minute; "-" of none."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M}" if iso else "-"


def _is_set(name: str, value: str, command: str) -> bool:
    """Whether a command line sets the field; a path may be given to its group instead."""
    if re.search(rf"--{re.escape(name)}[= ]", command):
        return True
    given = rf"--config\.\w+[= ]'?{re.escape(value)}'?(\s|$)"
    return bool(value and name.endswith(".path") and re.search(given, command))
