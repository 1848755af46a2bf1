"""The curves of a run: rows of metrics -> PNG, the loss above, the layers of the style term below.

A row is {"stage", "resolution", "step", "loss", "values": {name: value}, "dispersion"}; a name with
a slash is a term's part at a layer, and one with an @ its part in a region. Values are drawn on a
logarithmic axis.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, groupby
from math import ceil, isfinite, log10
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

Row = Mapping[str, Any]

INK, SOFT, FAINT = "#1d1c1a", "#66635d", "#dddad3"
# Okabe & Ito's palette, which stays apart for all kinds of color vision; black is the total.
COLORS = {"style": "#0072B2", "tv": "#D55E00", "content": "#CC79A7", "dispersion": "#009E73"}
OTHER_COLOR = "#E69F00"
DASHES = ((1, 1.2), (4, 1.5), (4, 1.5, 1, 1.5), (7, 2), (7, 2, 1, 2, 1, 2))  # of a term's regions


def draw(
    own: Sequence[Row], others: Sequence[Sequence[Row]] = (), *, narrow: bool = False
) -> bytes:
    """A PNG of the curves of one picture; the totals of the others are thin and gray.

    Args:
        own: at least one row, in the order of the steps: its terms and layers are drawn.
        others: the same of other pictures, such as those of other seeds.
        narrow: for a phone: less wide, so that its text stays readable when scaled to the screen.
    """
    terms = _terms([name for name in own[0]["values"] if "/" not in name])
    layers = [name for name in own[0]["values"] if name.startswith("style/")]

    width, height = (4.5, 3.6) if narrow else (9.6, 3.9)
    panels = 2 if layers else 1
    figure = Figure((width, panels * height), dpi=200, facecolor="white")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(panels, 1, squeeze=False)[:, 0])
    font = 9 if narrow else 10
    above = [_draw_terms(axes[0], own, others, terms, font, 44 if narrow else 100)]
    if layers:
        above.append(_draw_layers(axes[1], own, layers, font, height))
    _place(axes, above, (width, height), font, named=bool(layers))
    return as_png(figure)


def _terms(names: Sequence[str]) -> list[str]:
    """Those with a line of their own: the part of a single region is the whole term."""
    parts = Counter(name.partition("@")[0] for name in names if "@" in name)
    return [name for name in names if "@" not in name or parts[name.partition("@")[0]] > 1]


def as_png(figure: Figure) -> bytes:
    """What the figure looks like; the same bytes each time."""
    buffer = io.BytesIO()
    # Packed harder, curves are a fifth smaller and take half as long again to draw.
    packing = {"compress_level": 1}
    figure.savefig(buffer, format="png", metadata={"Software": None}, pil_kwargs=packing)
    return buffer.getvalue()


def _place(
    axes: Sequence[Axes], above: Sequence[float], side: Sequence[float], font: float, named: bool
) -> None:
    """One below the other. matplotlib's own layout takes as long as the rest of the drawing.

    Args:
        above: the points that each needs over its axes.
        side: width and height for each, inches.
        named: whether there are names of layers on the right.
    """
    (width, height), whole = side, len(axes) * side[1]
    left, below = 0.075 * font, 0.06 * font
    right = 0.05 * width + 0.05 * font if named else 0.02 * font
    for number, (ax, points) in enumerate(zip(axes, above, strict=True), 1):
        bottom = (len(axes) - number) * height + below
        high = height - below - points / 72
        ax.set_position((left / width, bottom / whole, 1 - (left + right) / width, high / whole))


def _draw_terms(
    ax: Axes, own: Sequence[Row], others: Sequence[Sequence[Row]], terms, font: float, letters: int
) -> float:
    """Points needed above."""
    for rows in others:
        _line(ax, rows, lambda row: row["loss"], color="#b5b2ab", linewidth=0.9, label="")
    _line(ax, own, lambda row: row["loss"], color=INK, linewidth=2.4, label="total")
    dashes = cycle(DASHES)
    for term in terms:
        whole, _, region = term.partition("@")
        look: dict[str, Any] = {"color": COLORS.get(whole, OTHER_COLOR), "label": whole}
        if region:
            look |= {"label": f"{whole}: {region}", "linestyle": (0, next(dashes)), "zorder": 2.1}
            look |= {"dash_capstyle": "butt"}
        _line(ax, own, lambda row, term=term: _of_note(row, term), **look)
    _line(ax, own, lambda row: row["dispersion"], color=COLORS["dispersion"],
          linestyle=(0, (5, 2)), label="dispersion")  # fmt: skip
    names = ax.get_legend_handles_labels()[1]
    columns = _columns([len(name) for name in names], letters)
    pad = 34 + 15 * (ceil(len(names) / columns) - 1)
    above = _finish(ax, own, "Loss and its terms", font, pad)
    if names:
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1.09), ncols=columns, frameon=False,
            fontsize=font, labelcolor=INK, borderaxespad=0, borderpad=0, handlelength=1.6,
            columnspacing=1.2, handletextpad=0.5,
        )  # fmt: skip
    return above


def _of_note(row: Row, term: str) -> Any:
    """The term's value; None where it is zero but for rounding, as of a photo that is the start."""
    value = row["values"].get(term)
    return None if value is None or value < 1e-7 * row["loss"] else value


def _columns(lengths: Sequence[int], letters: int) -> int:
    """Columns of a legend, filled from top to bottom, in a width of so many letters."""
    for columns in range(len(lengths), 1, -1):
        widest = [max(column) for column in np.array_split(lengths, columns)]
        if sum(widest) + 4 * columns <= letters:
            return columns
    return 1


def _draw_layers(ax: Axes, own: Sequence[Row], layers, font: float, height: float) -> float:
    """Points needed above."""
    blocks = sorted({_block(layer) for layer in layers})
    # The bright end of the palette would vanish on white.
    palette = matplotlib.colormaps["viridis"].resampled(100)
    colors = {block: palette(i / max(1, len(blocks) - 1) * 0.8) for i, block in enumerate(blocks)}
    ends = []
    for layer in layers:
        color = colors[_block(layer)]
        _line(ax, own, lambda row, layer=layer: row["values"].get(layer), color=color, label="")
        last = own[-1]["values"].get(layer)
        if _drawable(last):
            ends.append((last, layer.removeprefix("style/"), color))
    above = _finish(ax, own, "Style term by layer", font, pad=20)
    if ends:
        label_ends(ax, own[-1]["step"], sorted(ends), font - 1, height)
    return above


def _line(ax: Axes, rows: Sequence[Row], value: Callable[[Row], Any], label: str, **look) -> None:
    """One line per stage, because the loss of another resolution is another loss."""
    for _, stage in groupby(rows, key=lambda row: row["stage"]):
        points = [(row["step"], value(row)) for row in stage]
        points = [(x, y) for x, y in points if _drawable(y)]
        if points:
            marker = "." if len(points) == 1 else ""
            ax.plot(*zip(*points, strict=True), label=label, marker=marker,
                    **{"linewidth": 1.5, "solid_capstyle": "round"} | look)  # fmt: skip
            label = ""  # one entry in the legend


def _finish(ax: Axes, own: Sequence[Row], title: str, font: float, pad: float) -> float:
    """Axes, stages and title; the limits are final after this. Points needed above."""
    first, last = own[0]["step"], own[-1]["step"]
    ax.set_xlim(first - 0.5, last + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    if ax.lines:  # a logarithmic axis without values is an error
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        close = log10(high / low) < 2.2
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_major_formatter(plain)
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5) if close else (2, 3, 4, 5, 6, 7, 8, 9)))
        ax.yaxis.set_minor_formatter(plain if close else NullFormatter())
    ax.set_title(title, loc="left", y=1, fontsize=font + 2, fontweight="bold", color=INK, pad=pad)
    ax.set_xlabel("step", fontsize=font, color=SOFT)
    ax.tick_params(which="both", labelsize=font - 0.5, labelcolor=SOFT, color=FAINT, length=3)
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)
    for start, end, resolution in _stages(own):
        if start > first:
            ax.axvline(start - 0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        if end - start > 0.08 * (last - first):
            ax.annotate(f"{resolution} px", ((start + end) / 2, 1), (0, 4), color=SOFT,
                        xycoords=ax.get_xaxis_transform(), textcoords="offset points",
                        ha="center", fontsize=font - 1)  # fmt: skip
    return pad + 1.6 * (font + 2)


def _stages(own: Sequence[Row]) -> Iterator[tuple[int, int, int]]:
    """(first step, last step, resolution) of every stage."""
    for _, group in groupby(own, key=lambda row: row["stage"]):
        stage = list(group)
        yield stage[0]["step"], stage[-1]["step"], stage[0]["resolution"]


def label_ends(ax: Axes, x: float, ends, font: float, height: float) -> None:
    """The name of each line at its right end, moved apart where they would overlap."""
    low, high = (log10(limit) for limit in ax.get_ylim())
    gap = min(font * 1.25 / 72 / (height - 1.2), 1 / max(1, len(ends) - 1))
    steps = gap * np.arange(len(ends))
    # Labels are at least a gap apart where these never fall: the mean of pushing up and down.
    free = (np.log10([y for y, _, _ in ends]) - low) / (high - low) - steps
    pushed = (np.maximum.accumulate(free) + np.minimum.accumulate(free[::-1])[::-1]) / 2
    heights = np.clip(pushed, 0, 1 - steps[-1]) + steps
    for (y, name, color), label_height in zip(ends, heights, strict=True):
        ax.annotate(name, (x, y), (1.045, label_height), textcoords="axes fraction", color=INK,
                    fontsize=font, va="center", annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "alpha": 0.6,
                                "shrinkA": 3, "shrinkB": 0,
                                "patchA": None, "relpos": (0, 0.5)})  # fmt: skip


def _block(layer: str) -> str:
    return layer.removeprefix("style/").partition("_")[0]


def _drawable(value: Any) -> bool:
    return value is not None and isfinite(value) and value > 0
