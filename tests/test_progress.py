"""Progress where there is no terminal: a line every so often."""

import itertools

import pytest

from styleinv import progress


@pytest.fixture
def lines(monkeypatch, capsys):
    """A function: seconds each work takes, of ten in all; how many were done before -> lines."""

    def said(seconds, before=0):
        clock = itertools.accumulate(seconds, initial=100.0)
        next(clock)
        monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
        with progress.bar("learning", 10, every=0) as bar:
            bar.skip(before)
            for index in range(len(seconds)):
                bar.advance(1, f"note {index}" if index else "")
        return capsys.readouterr().err.splitlines()

    return said


def test_time_left_is_that_of_all_but_the_first_for_which_functions_are_compiled(lines):
    assert lines([60, 2, 2]) == [
        "learning  10 %",
        "learning  20 %  note 1  16 s left",
        "learning  30 %  note 2  14 s left",
    ]


def test_what_was_done_before_says_nothing_of_the_speed(lines):
    assert lines([60, 2], before=8) == ["learning  90 %", "learning 100 %  note 1  0 s left"]
    assert lines([60, 2], before=5)[1] == "learning  70 %  note 1  6 s left"


def test_the_only_one_has_no_time_left(lines):
    assert lines([60], before=9) == ["learning 100 %  0 s left"]


def test_the_end_is_told_once(capsys):
    with progress.bar("measuring", 1) as bar:
        bar.advance(1, "a.png")
        bar.advance(0)  # of what was still under way
    assert capsys.readouterr().err.splitlines() == ["measuring 100 %  a.png  0 s left"]


def test_a_unit_is_shown_with_its_speed(monkeypatch, capsys):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("measuring", 16, every=0, unit="images") as bar:
        bar.advance(8)
        bar.advance(8)
    said = capsys.readouterr().err.splitlines()
    assert said == ["measuring  50 %", "measuring 100 %  2.0 images/s  0 s left"]
