"""The headline: how near a learned style is to the style that the pictures were made with.

Distance from the known style over the number of pictures, both logarithmic, -> PNG.
"""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from styleinv.pages.curves import FAINT, INK, SOFT, as_png

LEARNED, STATISTICS, MEAN, SINGLE = "#0072B2", "#56B4E9", "#D55E00", "#8a857c"


def draw(
    counts: Sequence[int], totals: Mapping[str, Sequence[float]], *, narrow: bool = False
) -> bytes:
    """A PNG of the distances in one statistic.

    Args:
        counts: how many pictures were learned from, rising.
        totals: {"learned", "statistics" and "pixel_mean": one for each count; "single": one for
            each picture; "noise", "floor": one}.
        narrow: for a phone.
    """
    font = 9 if narrow else 10
    figure = Figure(
        (4.5, 4.3) if narrow else (9.6, 4.6),
        dpi=200 if narrow else 150,
        facecolor="white",
        layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08),
    )
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    single = totals["single"]
    mean = sum(single) / len(single)
    left, right = counts[0] / 1.12, counts[-1] * 1.12
    ax.set_xlim(left, right)
    ax.axhspan(min(single), max(single), color=SINGLE, alpha=0.16, linewidth=0)
    ax.axhline(mean, color=SINGLE, linewidth=1.4)
    ax.axhline(totals["noise"][0], color=INK, linewidth=1.2, linestyle=(0, (1, 1.6)))
    ax.axhline(totals["floor"][0], color=LEARNED, linewidth=1.2, linestyle=(0, (1, 1.6)))
    look: dict[str, Any] = {
        "marker": "o",
        "markersize": 5,
        "linewidth": 1.6,
        "clip_on": False,
        "zorder": 3,
    }
    lines: dict[str, dict[str, Any]] = {
        "pixel_mean": {"color": MEAN},
        "statistics": {"color": STATISTICS, "linestyle": (0, (4, 2))},
        "learned": {"color": LEARNED, "linewidth": 2.8, "markersize": 7},
    }
    for way, own in lines.items():
        ax.plot(counts, totals[way], **(look | own))
    _axes(ax, counts, font)
    ends = [
        (totals["noise"][0], "white noise", INK),
        (totals["pixel_mean"][-1], "mean of their pixels", MEAN),
        (mean, "one of the pictures, and range", SINGLE),
        (totals["learned"][-1], "learned style", LEARNED),
        (totals["statistics"][-1], "mean of their statistics", STATISTICS),
        (totals["floor"][0], "learned from S itself", LEARNED),
    ]
    _name_ends(ax, right, ends, font, figure.get_figheight(), narrow)
    return as_png(figure)


def _axes(ax: Axes, counts: Sequence[int], font: float) -> None:
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_major_locator(FixedLocator(list(counts)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(plain)
    ax.yaxis.set_major_formatter(plain)
    ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    ax.yaxis.set_minor_formatter(plain)
    if ax.get_ylim()[1] / ax.get_ylim()[0] > 300:
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_title(
        "Distance from the style that the pictures were made with",
        loc="left", fontsize=font + 1.5, fontweight="bold", color=INK, pad=12, wrap=True,
    )  # fmt: skip
    ax.set_xlabel("pictures learned from", fontsize=font, color=SOFT)
    ax.tick_params(which="both", labelsize=font - 0.5, labelcolor=SOFT, color=FAINT, length=3)
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)


def _name_ends(ax: Axes, x: float, ends, font: float, height: float, narrow: bool) -> None:
    """Names at the right, in the lines' colors, moved apart where they would overlap."""
    low, high = (log10(limit) for limit in ax.get_ylim())
    gap = font * 1.5 / 72 / (height - 1.1)
    ends = sorted(ends)
    heights = [(log10(y) - low) / (high - low) for y, *_ in ends]
    for _ in range(200):
        for i in range(len(heights) - 1):
            close = gap - (heights[i + 1] - heights[i])
            if close > 0:
                heights[i], heights[i + 1] = heights[i] - close / 2, heights[i + 1] + close / 2
    for (y, name, color), at in zip(ends, heights, strict=True):
        ax.annotate(
            name.replace(", and range", "") if narrow else name,
            (x, y), (1.03, at), textcoords="axes fraction", color=color, va="center",
            fontsize=font - (1 if narrow else 0), annotation_clip=False,
            fontweight="bold" if name == "learned style" else "normal",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "alpha": 0.6,
                        "shrinkA": 2, "shrinkB": 0, "relpos": (0, 0.5)},
        )  # fmt: skip
