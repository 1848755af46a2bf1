"""scripts/benchmark.py: every subcommand at a small size, its tables, and what it refuses."""

import functools
import importlib
import importlib.util
import json
import sys

import jax
import numpy as np
import pytest

from scripts import benchmark
from scripts.benchmarks import (
    learn,
    measure,
    ours,
    program,
    race,
    roofline,
    startup,
    step,
    torch_learning,
    transfer,
)
from styleinv import weights
from styleinv.errors import InputError
from styleinv.native.build import registers
from styleinv.native.gram import narrow


class Here:
    """A program in this process: another takes seconds to import its libraries."""

    def __init__(self, what, *arguments):
        module, name = what.split(":")
        self._made = getattr(importlib.import_module(module), name)(*arguments)

    def __call__(self, method, *arguments):
        return getattr(self._made, method)(*arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture(scope="module")
def load_network():
    return functools.cache(ours.load_network)


@pytest.fixture
def here(monkeypatch, default_weights, load_network):
    """Programs run in this process, and load weights and networks once."""
    for module in (learn, measure, program, step, transfer):
        monkeypatch.setattr(module, "Program", Here)
    monkeypatch.setattr(weights, "load", lambda name: default_weights)
    monkeypatch.setattr(ours, "load_network", load_network)
    yield
    jax.config.update("jax_enable_compilation_cache", True)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A function: a command line -> the rows that it writes."""

    def rows(words):
        file = tmp_path / "rows.json"
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *words.split(), f"--json={file}"])
        benchmark.main()
        return json.loads(file.read_text())

    return rows


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("step --resolutions 16 --repeats 1", 1),
        ("step --resolutions 16 --repeats 1 --references 1 3", 1),
        ("learn --resolution 16 --references 2 --steps 3", 2),
        ("transfer --size 32 --marks 1 2", 2),
        ("measure --resolution 16 --count 3 --repeats 1", 1),
        ("memory --resolutions 16 --steps 1", 2),
    ],
)
def test_subcommand_races_a_rival(run, capsys, words, count):
    rows = run(words)
    assert len(rows) == count
    for row in rows:
        assert row["resolution"] in (16, 32)
        assert row["ours"] > 0
        assert row["rival"] > 0
    out = capsys.readouterr().out
    assert ("the rival wins: nowhere" in out) == all(row["ratio"] <= 1 for row in rows)


@pytest.mark.usefixtures("default_weights")
def test_startup_launches_ours(run, monkeypatch):
    monkeypatch.setattr(startup, "first_step", functools.cache(startup.first_step))  # once
    monkeypatch.setattr(startup, "rival_first_step", lambda paths, resolution: 2.0)
    monkeypatch.setattr(startup, "ended", lambda *words: 4.0)
    first, helped = run("startup --resolution 16 --references 1 --repeats 1")
    assert (first["what"], first["references"], first["rival"]) == ("first step", 1, 2.0)
    assert first["ratio"] == first["ours"] / 2
    assert (helped["what"], helped["ratio"]) == ("--help", 1.0)


@pytest.mark.usefixtures("here")
def test_torch_learning_prints_a_loss_for_each_evaluation(monkeypatch, capsys):
    words = ["", str(*ours.demo(1)), "--resolution=16", "--steps=2"]
    monkeypatch.setattr(sys, "argv", words)
    torch_learning.main()
    first, second = map(float, capsys.readouterr().out.split())
    assert first > second > 0


def test_operations_counts_convolutions_and_grams_in_both_directions():
    assert roofline.operations(256) == 2 * 2 * (388_800 + 53_248) * 256**2
    # conv1_1 as it is, of the rest a quarter; of Gram matrices half, and half of the blocks, which
    # are as wide as rows in registers, on their diagonals.
    quartered, wide = (388_800 - 1728) / 4, narrow(registers()).columns
    layers = {64: 2, 128: 2 / 4, 256: 4 / 16, 512: 4 / 64 + 4 / 256}  # with the positions of each
    halved = sum(part * (c**2 - wide * c) / 2 for c, part in layers.items())
    assert roofline.operations(256, fast=True) == pytest.approx(
        2 * (2 * (1728 + quartered) + 2 * 53_248 - halved) * 256**2
    )


def test_bytes_moved_counts_features_six_times_and_filters_twice():
    assert roofline.bytes_moved(16) == 4 * (6 * 16**2 * 296 + 2 * 20_018_880)


def test_step_refuses_to_time_what_differs():
    gradient = np.ones((4, 4, 3))
    with pytest.raises(InputError, match="differ by more than"):
        step._check(32, (1.0, gradient), (1.0, gradient + 1e-3))


def test_alternate_runs_programs_in_turn():
    said = []

    def program(name):
        return lambda: said.append(name) or float(len(said))

    assert race.alternate(3, program("a"), program("b")) == [[1, 3, 5], [2, 4, 6]]
    assert "".join(said) == "ababab"


def test_compare_takes_medians():
    assert race.compare([1, 2, 9], [4, 4, 40]) == {"ours": 2, "rival": 4, "ratio": 0.5}


def test_race_refuses_objectives_that_differ():
    run = race.Run(1.0, {}, np.zeros((1, 1, 3)), 2.0)
    race.check(run, 2.0001)
    with pytest.raises(InputError, match=r"2 by our objective, 2\.001 by the rival's; they must"):
        race.check(run, 2.001)


def test_row_is_ours_over_the_rivals_with_and_without_start():
    run = race.Run(2.0, {0.5: (6.0, 40)}, np.zeros((1, 1, 3)), 0.4)
    assert race.row(run, 4.0, 24.0, 0.5) == {
        "loss": 0.5,
        "ours": 6.0,
        "rival": 24.0,
        "ratio": 0.25,
        "ratio_without_start": 0.2,
        "start": 2.0,
        "rival_start": 4.0,
        "our_steps": 40,
    }


def test_falling_keeps_the_lowest_loss_and_when_it_was_seen():
    way = [(1.0, 5.0), (2.0, 3.0), (3.0, 4.0), (4.0, 3.0), (5.0, 2.0)]
    assert learn._falling(way) == [(1.0, 5.0), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (5.0, 2.0)]


def test_program_passes_on_what_went_wrong():
    with (
        program.Program("styleinv.errors:InputError", "a line") as there,
        pytest.raises(InputError, match="ended with status 1"),
    ):
        there("no_such_method")


def test_benchmark_names_a_missing_package(run, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        run("measure")
    assert caught.value.code == 2
    found = capsys.readouterr().err
    assert found == (
        "benchmark.py: this benchmark needs torch; pip install -r requirements-dev.txt\n"
    )


def test_show_says_where_the_rival_wins(capsys):
    rows = [
        {"resolution": r, "ours": 1.0, "rival": v, "ratio": 1 / v} for r, v in ((64, 2), (96, 0.5))
    ]
    benchmark.show("step", rows)
    assert capsys.readouterr().out.endswith("the rival wins: resolution 96 (2.00)\n")
