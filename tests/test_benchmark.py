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
from scripts.benchmarks import learn, measure, ours, program, startup, step, transfer
from styleinv.errors import InputError


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


@pytest.fixture
def here(monkeypatch, network):
    """Programs run in this process, with the network that the other tests have."""
    for module in (learn, measure, program, step, transfer):
        monkeypatch.setattr(module, "Program", Here)
    monkeypatch.setattr(ours, "load_network", lambda convolution="auto": network)
    jax.config.update("jax_disable_most_optimizations", True)  # compiles faster
    yield
    jax.config.update("jax_disable_most_optimizations", False)
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
        ("transfer --size 32 --marks 2 4", 2),
        ("measure --resolution 16 --count 3 --repeats 1", 1),
        ("memory --resolutions 16 --steps 1", 2),
    ],
)
def test_subcommand_races_a_rival(run, capsys, words, count):
    rows = run(words)
    assert len(rows) == count
    for row in rows:
        assert row["resolution"] in (16, 32)
        assert row["ratio"] == pytest.approx(row["ours"] / row["rival"])
    assert "the rival wins" in capsys.readouterr().out


@pytest.mark.usefixtures("default_weights")
def test_startup_launches_both(run, monkeypatch):
    for name in ("first_step", "ended"):
        monkeypatch.setattr(startup, name, functools.cache(getattr(startup, name)))  # once
    rows = run("startup --resolution 16 --references 1 --repeats 1")
    assert [row["what"] for row in rows] == ["first step", "--help"]
    assert all(row["ratio"] == pytest.approx(row["ours"] / row["rival"]) for row in rows)


def test_operations_counts_convolutions_and_grams_in_both_directions():
    assert step.operations(256) == 2 * 2 * (388_800 + 53_248) * 256**2


def test_step_refuses_to_time_what_differs():
    gradient = np.ones((4, 4, 3))
    with pytest.raises(InputError, match="differ by more than"):
        step._check(32, (1.0, gradient), (1.0, gradient + 1e-3))


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
