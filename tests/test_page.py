"""What pages are made of: numbers as words, pictures as data, and what the command line set."""

import base64
import io
import json
import os

import pytest
from pages import RUN, Page, save_picture
from PIL import Image

from styleinv.pages import page
from styleinv.pages.page import compare, duration, number


@pytest.mark.parametrize(
    ("distance", "other", "desired"),
    [
        (0.02, 0.24, ("12 times closer", "than")),
        (0.1, 0.24, ("2.4 times closer", "than")),
        (0.2, 0.2, ("about as close", "as")),
        (0.3, 0.2, ("1.5 times farther", "than")),
        (0.0, 0.2, ("infinitely closer", "than")),
        (0.2, 0.0, ("infinitely farther", "than")),
        (0.0, 0.0, ("about as close", "as")),
    ],
)
def test_compare_says_which_is_closer(distance, other, desired):
    assert compare(distance, other) == desired


@pytest.mark.parametrize(
    ("value", "desired"),
    [
        (None, "-"),
        (0.0, "0"),
        (4.7e-6, "4.70e-06"),
        (0.28, "0.280"),
        (123.4, "123"),
        (2e6, "2,000,000"),
    ],
)
def test_number_has_three_digits(value, desired):
    assert number(value) == desired


@pytest.mark.parametrize(
    ("seconds", "desired"), [(9.2, "9 s"), (59.7, "1 min 0 s"), (3725, "1 h 2 min")]
)
def test_duration_uses_two_units(seconds, desired):
    assert duration(seconds) == desired


def test_positions_span_a_logarithmic_axis():
    actual = page.positions({"a": {"far": 10.0, "near": 0.1}, "b": {"far": 1.0, "near": None}})
    assert actual == {"a": {"far": 96.0, "near": 4.0}, "b": {"far": 50.0}}


@pytest.mark.parametrize(("size", "desired"), [((90, 160), (30, 53)), ((12, 10), (12, 10))])
def test_picture_is_reduced_in_its_own_aspect(tmp_path, size, desired):
    path = save_picture(tmp_path / "a.png", *size)
    actual = page.picture(path, 40, "a.png")
    embedded = Image.open(io.BytesIO(base64.b64decode(actual.uri.partition(",")[2])))
    assert embedded.size == desired[::-1]
    assert actual.shape == size[::-1]


def test_picture_that_is_gone_keeps_its_caption(tmp_path):
    assert page.picture(tmp_path / "a.png", 40, "a.png", "50 %") == (None, "a.png", "50 %", None)


def test_snapshot_paths_are_those_of_one_picture_in_order(tmp_path):
    names = ("a_step00100", "a_step00015", "a-2_step00015", "xa_step00015", "a_step1x")
    for name in names:
        save_picture(tmp_path / "images" / f"{name}.png")
    actual = page.snapshot_paths(tmp_path, "a")
    folder = tmp_path / "images"
    assert list(actual.items()) == [
        (15, folder / "a_step00015.png"),
        (100, folder / "a_step00100.png"),
    ]


@pytest.mark.parametrize(
    ("words", "desired"),
    [
        ("--config.content.alpha=2", {"config.content.alpha"}),
        ("--config.content.alpha 2", {"config.content.alpha"}),
        ("--config.style=a.jpg --config.tv=1", {"config.dataset.path"}),
        ("--config.style='my a.jpg' --config.content=b.jpg", {"config.content.path"}),
        ("--config.style=a.jpg2", set()),
        ("", set()),
    ],
)
def test_write_marks_what_the_command_line_set(tmp_path, words, desired):
    (tmp_path / "run.json").write_text(json.dumps(RUN | {"command": f"python -m x {words}"}))
    content = {"path": "b.jpg", "alpha": 2}
    config = {"dataset": {"path": "a.jpg"}, "content": content, "start": {"path": ""}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    html = page.write(tmp_path, "page.html.jinja").read_text("utf-8")
    text = Page(html).text.partition("All 4 fields")[0].partition("Set on the command line")[2]
    assert {word for word in text.split() if word.startswith("config.")} == desired


def test_write_takes_file_names_that_are_no_unicode(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    config = {"dataset": {"path": os.fsdecode(b"caf\xe9.png")}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "caf?.png" in page.write(tmp_path, "page.html.jinja").read_text("utf-8")
