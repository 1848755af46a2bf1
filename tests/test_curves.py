"""The curves: drawn whatever the values are."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from pages import LAYERS, metrics

from styleinv.pages import curves


@pytest.fixture
def drawn(monkeypatch):
    """{label: points} of every line that is drawn, by a function that draws."""
    lines = {}
    plot = Axes.plot

    def record(self, *args, label="", **look):
        lines.setdefault(label, []).append(np.transpose(args))
        return plot(self, *args, label=label, **look)

    monkeypatch.setattr(Axes, "plot", record)

    def draw(*args, **options):
        assert curves.draw(*args, **options).startswith(b"\x89PNG")
        return lines

    return draw


@pytest.mark.parametrize(
    "rows",
    [
        metrics(steps=1),
        metrics(loss=0.0, dispersion=None, values={"style": 0.0}),
        metrics(loss=float("nan"), dispersion=None, values={"content": 2.0, "style": 1e-9}),
    ],
    ids=["one step", "nothing above zero", "not finite, one term"],
)
def test_draw_copes_with_values_that_have_no_logarithm(rows):
    assert curves.draw(rows).startswith(b"\x89PNG")


def test_draw_breaks_lines_between_stages_and_labels_only_the_first(drawn):
    lines = drawn(metrics())
    np.testing.assert_allclose(lines["total"], [[(step, 1 / step) for step in (1, 2, 3)]])
    second = [(step, 1 / step) for step in (4, 5, 6)]
    assert any(np.allclose(line, second) for line in lines[""])


def test_draw_adds_the_totals_of_others_without_a_label(drawn):
    lines = drawn(metrics(), [metrics(steps=2, loss=7.0), metrics(steps=2, loss=8.0)])
    others = [line.tolist() for line in lines[""] if len(line) == 2]
    assert others == [[[1, 7], [2, 7]], [[1, 8], [2, 8]]]


@pytest.mark.parametrize("narrow", [True, False])
def test_draw_gives_each_region_of_a_term_a_line(drawn, narrow):
    names = ["content", "style", *(f"style@{name}" for name in ("sky", "a_long_name", "rest"))]
    values = dict.fromkeys([*names, *(f"style/{layer}" for layer in LAYERS)], 0.3)
    lines = drawn(metrics(values=values), narrow=narrow)
    assert {"style: sky", "style: a_long_name", "style: rest"} < lines.keys()


def test_draw_gives_the_only_region_of_a_term_no_line_of_its_own(drawn):
    lines = drawn(metrics(values={"style": 0.3, "style@sky": 0.3}))
    assert {label for label in lines if "style" in label} == {"style"}


def test_draw_leaves_out_a_term_that_is_zero_but_for_rounding(drawn):
    first, *rest = metrics(steps=3, values={"content": 1e-3, "style": 0.3})
    lines = drawn([first | {"values": {"content": 1e-15, "style": 0.3}}, *rest])
    assert lines["content"][0][0].tolist() == [2, 1e-3]


@pytest.mark.parametrize(
    ("lengths", "letters", "desired"),
    [([5, 5, 2, 10], 44, 4), ([5, 7, 5, 11, 10, 2], 44, 3), ([40, 40], 44, 1), ([], 44, 1)],
)
def test_columns_are_as_many_as_fit(lengths, letters, desired):
    assert curves._columns(lengths, letters) == desired
