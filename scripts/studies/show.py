"""What a study found, as a table and as a picture.

{"what": ..., "resolution": ..., "limit": seconds, "rows": [{"variant", "seconds", "loss", ...}]}
"""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from styleinv.errors import InputError
from styleinv.images import read_bytes
from styleinv.pages.curves import FAINT, INK, SOFT, as_png, label_ends

Study = Mapping[str, Any]

_WIDTH, _HEIGHT, _DPI = 9.6, 4.8, 125  # inches of a panel; 1200 px wide
_FONT = 9.5
# Okabe & Ito's palette without its yellow, which is faint on white; dashes when it begins anew.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))


def read(path: Path) -> Study:
    """The file of a study.

    Raises:
        InputError: if it is none.
    """
    try:
        study = json.loads(read_bytes(path))
        title(study)
        complete = study["limit"] > 0 and all(
            row["variant"] and len(row["seconds"]) == len(row["loss"]) for row in study["rows"]
        )
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        complete = False
    if not complete:
        raise InputError(f"{path} is not a study; scripts/study.py learn or transfer makes one")
    return study


def title(study: Study) -> str:
    """What was run, in a line."""
    if study["what"] == "learn":
        count = study["references"]
        what = f"Learning from {count} picture{'s' if count > 1 else ''}"
    else:
        what = f"Transfer, {study['content']} by {study['style']}"
    return f"{what}, {study['resolution']} px, {len(study['layers'])} layers"


def table(study: Study, marks: Sequence[float]) -> str:
    """Markdown: the loss of each variant so many seconds after the beginning, the best in bold.

    Args:
        marks: seconds; none takes an eighth, a quarter, half and all of the limit.
    """
    marks = marks or [study["limit"] / 2**i for i in (3, 2, 1, 0)]
    rows = {row["variant"]: [_loss_at(row, mark) for mark in marks] for row in study["rows"]}
    columns = zip(*rows.values(), strict=True)
    best = [min((loss for loss in column if loss is not None), default=None) for column in columns]
    lines = [
        "| " + " | ".join(["variant", *(f"{mark:g} s" for mark in marks)]) + " |",
        "| --- " * (len(marks) + 1) + "|",
    ]
    for name, losses in rows.items():
        cells = [_cell(loss, least) for loss, least in zip(losses, best, strict=True)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join([f"{title(study)}; loss: {study['loss']}", "", *lines])


def _loss_at(row: Mapping[str, Any], mark: float) -> float | None:
    """None where the finest stage had not begun."""
    reached = [loss for s, loss in zip(row["seconds"], row["loss"], strict=True) if s <= mark]
    return reached[-1] if reached else None


def _cell(loss: float | None, least: float | None) -> str:
    if loss is None:
        return "-"
    return f"**{loss:.3g}**" if loss == least else f"{loss:.3g}"


def plot(studies: Sequence[Study]) -> bytes:
    """A PNG with a panel for each study, and each variant's name at the end of its curve."""
    figure = Figure(
        (_WIDTH, _HEIGHT * len(studies)),
        dpi=_DPI,
        facecolor="white",
        layout=ConstrainedLayoutEngine(h_pad=0.12),
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(studies), 1, squeeze=False)[:, 0]
    names = dict.fromkeys(row["variant"] for study in studies for row in study["rows"])
    looks = _looks([name for name in names if name != "default"])
    for ax, study in zip(panels, studies, strict=True):
        _draw(ax, study, looks)
    return as_png(figure)


def _draw(ax: Axes, study: Study, looks: Mapping[str, Mapping[str, Any]]) -> None:
    ends = []
    for row in (row for row in study["rows"] if row["seconds"]):
        look = looks[row["variant"]]
        marker = "." if len(row["seconds"]) == 1 else ""
        ax.plot(row["seconds"], row["loss"], marker=marker, **look)
        ends.append((row["loss"][-1], row["variant"], look["color"]))
    ax.set_xlim(0, study["limit"])
    if ends:  # a logarithmic axis without values is an error
        ax.set_yscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_major_formatter(plain)
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        ax.yaxis.set_minor_formatter(plain)
        label_ends(ax, study["limit"], sorted(ends), _FONT - 0.5, _HEIGHT)
    else:
        ax.yaxis.set_major_formatter(NullFormatter())
    ax.set_title(title(study), loc="left", fontsize=_FONT + 2, fontweight="bold", color=INK, pad=12)
    ax.set_xlabel("seconds since the optimization began", fontsize=_FONT, color=SOFT)
    ax.set_ylabel("loss", fontsize=_FONT, color=SOFT)
    ax.tick_params(which="both", labelsize=_FONT - 0.5, labelcolor=SOFT, color=FAINT, length=3)
    ax.grid(axis="y", which="both", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)


def _looks(variants: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The default is black and thick; the others are told apart by color, then by dashes."""
    looks: dict[str, dict[str, Any]] = {"default": {"color": INK, "linewidth": 2.6, "zorder": 3}}
    for (dashes, color), name in zip(cycle(product(_DASHES, _COLORS)), variants, strict=False):
        looks[name] = {"color": color, "linewidth": 1.5, "linestyle": dashes}
    return looks
