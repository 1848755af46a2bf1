"""Charts as SVG: what is drawn, what is left out, and round numbers on the axis."""

import math
import xml.etree.ElementTree as ET

import pytest

from styleinv.pages import chart
from styleinv.pages.chart import Line


def draw(*lines, ticks=((0, "a"), (1, "b")), label="size"):
    return ET.fromstring(chart.draw(lines, ticks, label, "What it shows"))


def numbers(svg):
    return [float(text.text) for text in svg.iter("text") if text.get("text-anchor") == "end"]


def test_draw_leaves_out_what_has_no_logarithm():
    points = [(0, 1.0), (1, 0.0), (2, -1.0), (3, math.nan), (4, math.inf), (5, None), (6, 2.0)]
    svg = draw(Line(points, "total"))
    assert len(svg.find("polyline").get("points").split(" ")) == 2
    assert svg.get("aria-label") == "What it shows"


def test_draw_nothing_is_nothing():
    assert chart.draw([Line([(0, 0.0)], "total")], [], "", "") == ""


def test_draw_higher_values_are_higher_and_inside():
    svg = draw(Line([(0, 0.01), (1, 0.1), (2, 1.0)], "c0", marked=True))
    heights = [float(circle.get("cy")) for circle in svg.iter("circle")]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert all(0 < height < chart.HEIGHT for height in heights)


def test_draw_thins_a_long_line_and_keeps_its_ends():
    svg = draw(Line([(i, 1.0 + i) for i in range(100_001)], "total"), ticks=())
    places = svg.find("polyline").get("points").split(" ")
    assert 100 < len(places) < 125
    alone = draw(Line([(0, 1.0), (100_000, 100_001.0)], "total"), ticks=())
    assert [places[0], places[-1]] == alone.find("polyline").get("points").split(" ")


def test_draw_escapes_what_it_is_told():
    svg = draw(Line([(0, 1.0)], "total"), ticks=((0, "<b> & c"),), label='"<i>"')
    assert {"<b> & c", '"<i>"'} <= {text.text for text in svg.iter("text")}


@pytest.mark.parametrize(
    ("low", "high", "desired"),
    [
        (0.01, 10, [0.01, 0.1, 1, 10]),
        (0.02, 0.3, [0.03, 0.1, 0.3]),
        (0.0234, 0.0469, [0.025, 0.03, 0.035, 0.04, 0.045]),
        (0.3, 0.3, None),
        (1e-12, 1e9, None),
    ],
)
def test_draw_has_a_few_round_numbers(low, high, desired):
    found = numbers(draw(Line([(0, low), (1, high)], "total")))
    assert 2 <= len(found) <= 8
    if desired:
        assert found == pytest.approx(desired)
