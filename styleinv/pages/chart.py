"""Small line charts as SVG that takes its colors from the page around it, light or dark.

Lines are drawn over a logarithmic axis of values; marks, if wanted, at their points.
"""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

WIDTH, HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 40
_FINEST = 120  # points of a line; more would not be seen


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        points: (x, y); those that are not positive and finite are left out.
        look: class in the page's style, for its color.
        joined: whether there is a line between the points.
        marked: whether there is a dot at each.
    """

    points: Sequence[tuple[float, float]]
    look: str
    joined: bool = True
    marked: bool = False


def draw(
    lines: Sequence[Line], ticks: Sequence[tuple[float, str]], label: str, alternative: str
) -> str:
    """<svg> of the lines; "" where there is nothing to draw.

    Args:
        ticks: (x, text) on the horizontal axis; also its range, with the lines' own.
        label: below that axis.
        alternative: what is read aloud.
    """
    lines = [line._replace(points=_thin(_drawable(line.points))) for line in lines]
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    xs = [x for x, _ in points] + [x for x, _ in ticks]
    low, high = _range([y for _, y in points])
    left, right = min(xs), max(xs)
    margin = 0.0 if left < right else 0.5

    def across(x):
        share = (x - left + margin) / (right - left + 2 * margin)
        return _LEFT + 14 + share * (WIDTH - _LEFT - _RIGHT - 28)

    def down(y):
        share = (log10(y) - log10(low)) / (log10(high) - log10(low))
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(alternative)}">'
    ]
    for value in _ticks(low, high):
        y = f"{down(value):.1f}"
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y}" dy=".32em" text-anchor="end">{value:g}</text>')
    for x, text in ticks:
        place = f'x="{across(x):.1f}" y="{HEIGHT - _BOTTOM + 17}"'
        parts.append(f'<text {place} text-anchor="middle">{escape(text)}</text>')
    middle = (WIDTH + _LEFT - _RIGHT) / 2
    place = f'x="{middle:.0f}" y="{HEIGHT - 5}" text-anchor="middle"'
    parts.append(f'<text class="axis" {place}>{escape(label)}</text>')
    for line in lines:
        places = [(f"{across(x):.1f}", f"{down(y):.1f}") for x, y in line.points]
        if line.joined and len(places) > 1:
            path = " ".join(",".join(place) for place in places)
            parts.append(f'<polyline class="{line.look}" points="{path}"/>')
        if line.marked or len(places) == 1:
            parts += [f'<circle class="{line.look}" cx="{x}" cy="{y}" r="3"/>' for x, y in places]
    return "".join([*parts, "</svg>"])


def _drawable(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if y is not None and isfinite(y) and y > 0]


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every n-th, and the last."""
    step = ceil(len(points) / _FINEST) or 1
    return [*points[:-1:step], *points[-1:]]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """A little more than the values span, and never nothing."""
    low, high = min(values), max(values)
    room = max((high / low) ** 0.06, 1.03)
    return low / room, high * room


def _ticks(low: float, high: float) -> list[float]:
    """Round values between them, three to six: decades, parts of them, or equal steps."""
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        found = [d * 10.0**k for k in decades for d in digits]
        found = [value for value in found if low <= value <= high]
        if len(found) >= 3:
            return found[:: ceil(len(found) / 6)]
    unit = 10.0 ** floor(log10(high - low))
    step = next(s * unit for s in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5) if (high - low) / (s * unit) < 6)
    return [k * step for k in range(ceil(low / step), floor(high / step) + 1)]
