"""Sweeps in this process: cells, failures, what is shared, and the folder that resumes."""

import csv
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest
from permissions import locked
from words import SMALL

from experiments import sweep
from experiments.sweeps import grid

ROOT = Path(sweep.__file__).parents[1]
BASE = [*SMALL, "--config.steps=3"]


def test_help_shows_the_grid_and_imports_nothing_heavy():
    words = ["-X", "importtime", "-m", "experiments.sweep", "--help"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--grid='steps=40+40,80+80;resolution=128,256'" in done.stdout
    for flag in ("workers=N", "engine=local", "address=HOST:PORT", "experiment=NAME"):
        assert f"--{flag}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert not {"jax", "numpy", "ray", "rich"} & set(done.stderr.replace("|", " ").split())


@pytest.fixture
def run(command, pictures, tmp_path):
    """A function: --grid texts and other words -> (exit status, the rows of metrics.csv)."""

    def sweep_over(*words, folder="sweep"):
        flags = [word if word.startswith("--") else f"--grid={word}" for word in words]
        path = "--config.dataset.path="
        own = [] if any("dataset.path" in word for word in words) else [f"{path}{pictures}"]
        status = command(sweep, [*BASE, *own, *flags, f"--workdir={tmp_path / folder}"])
        table = tmp_path / folder / "metrics.csv"
        text = table.read_text() if table.is_file() else ""
        return status, list(csv.DictReader(text.splitlines()))

    return sweep_over


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("cells/*/*") if path.is_file()}


def test_sweep_shares_what_is_compiled_and_writes_a_row_per_cell(run, tmp_path, capsys):
    status, rows = run("size=2,4", "seed=0,1")
    assert status == 0
    assert [(row["dataset.size"], row["seeds"]) for row in rows] == [
        ("2", "0"),
        ("2", "1"),
        ("4", "0"),
        ("4", "1"),
    ]
    numbers = ["loss", "style", "content", "variation", "dispersion", "per_image", "distance"]
    ends = ["seconds", "compiled", "read"]
    assert list(rows[0]) == ["cell", "dataset.size", "seeds", "status", *numbers, *ends]
    assert {row["status"] for row in rows} == {"finished"}
    made = [int(row["compiled"]) + int(row["read"]) for row in rows]
    assert made[1:] == [0, 0, 0]
    for row in rows:
        folder = tmp_path / "sweep" / "cells" / row["cell"]
        results = json.loads((folder / "results.json").read_text())
        assert float(row["loss"]) == results["loss"]
        assert float(row["dispersion"]) == results["dispersion"]
        assert float(row["distance"]) == results["total"]["learned"]
        assert (folder / "report.html").is_file()
    assert len({row["loss"] for row in rows}) == 4
    captured = capsys.readouterr()
    assert "1/4 size-2_seed-0  loss " in captured.err
    assert "4/4 size-4_seed-1  loss " in captured.err
    assert "style image" not in captured.out


def test_sweep_cell_is_the_run_that_its_command_makes(run, command, tmp_path):
    from experiments import learn_style

    _, rows = run("tv=0.1;beta=2", "region=none")
    folder = tmp_path / "sweep" / "cells" / rows[0]["cell"]
    words = json.loads((folder / "run.json").read_text())["command"].split(" ")
    assert words[:3] == ["python", "-m", "experiments.learn_style"]
    assert command(learn_style, [*words[3:-1], f"--workdir={tmp_path / 'alone'}"]) == 0
    for name in ("style.png", "results.json", "config.json"):
        assert (tmp_path / "alone" / name).read_bytes() == (folder / name).read_bytes()


def test_sweep_of_split_networks_gives_each_its_own_on_all_devices(monkeypatch, tmp_path):
    from experiments import cli, inputs
    from experiments.sweeps.cell import Runner
    from experiments.sweeps.engines import here

    words = [*BASE, "--grid=network.split=false,true"]
    request = cli.parse("sweep", words, sweep.FLAGS)
    points = {point.slug: point for point in grid.points(grid.parse(request.extra["grid"]))}
    _, configs = sweep.plan(request, "learn_style", points, tmp_path)
    monkeypatch.setattr(jax, "local_devices", lambda: [None, None])
    assert sweep.engine_of(request, configs) is here.run
    monkeypatch.setattr(inputs, "load_network", lambda config: (config.network.split, {}))
    runner = Runner()
    assert [runner._load(None, config)[0] for config in configs.values()] == [False, True]


def test_sweep_failed_cell_is_reported_and_tried_again(run, pictures, tmp_path, capsys):
    late = tmp_path / "late"
    status, rows = run(f"dataset.path={late},{pictures}", "seed=0")
    assert status == 1
    assert [row["status"].partition(":")[0] for row in rows] == ["failed", "finished"]
    assert f"failed: {late} does not exist" in rows[0]["status"]
    error_file = tmp_path / "sweep" / "cells" / f"{rows[0]['cell']}.error.txt"
    assert "InputError" in error_file.read_text()
    assert "1 of 2 cells failed" in capsys.readouterr().out
    assert f"{late} does not exist" in (tmp_path / "sweep" / "report.html").read_text()

    os.rename(pictures, late)
    os.symlink(late, pictures)
    before = times(tmp_path / "sweep")
    status, rows = run(f"dataset.path={late},{pictures}", "seed=0")
    assert status == 0
    assert {row["status"] for row in rows} == {"finished"}
    assert not error_file.exists()
    assert before
    assert before.items() <= times(tmp_path / "sweep").items()


def test_sweep_failed_cell_can_be_run_alone(run, command, pictures, tmp_path):
    from experiments import learn_style

    late, cells = tmp_path / "late", tmp_path / "sweep" / "cells"
    assert run(f"dataset.path={late}")[0] == 1
    pictures.rename(late)
    told = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["cells"]
    ((slug, cell),) = told.items()
    assert command(learn_style, shlex.split(cell["command"])[3:]) == 0
    status, rows = run(f"dataset.path={late}")
    assert (status, rows[0]["status"]) == (0, "finished")
    assert [path.name for path in cells.iterdir()] == [slug]


def test_sweep_defect_in_a_cell_does_not_stop_the_rest(run, monkeypatch, tmp_path):
    from styleinv import noise

    white_noise = noise.white_noise

    def broken(kind, contrast, seed, *rest):
        return white_noise(kind, contrast, seed, *rest) if seed else 1 / 0

    monkeypatch.setattr(noise, "white_noise", broken)
    status, rows = run("seed=0,1")
    assert status == 1
    assert rows[0]["status"] == "failed: ZeroDivisionError: division by zero"
    assert rows[1]["status"] == "finished"
    assert "Traceback" in (tmp_path / "sweep/cells/seed-0.error.txt").read_text()


def test_sweep_on_a_full_disk_ends_there_and_goes_on(run, monkeypatch, tmp_path, capsys):
    from styleinv.checkpoints import Checkpoints
    from styleinv.errors import DiskError

    save, times = Checkpoints.save, []

    def full(self, checkpoint):
        times.append(checkpoint.number)
        if len(times) == 2:  # of the second cell
            raise DiskError("the checkpoint cannot be written: No space left on device")
        save(self, checkpoint)

    monkeypatch.setattr(Checkpoints, "save", full)
    status, rows = run("seed=0,1,2")
    assert status == 2
    assert [row["status"] for row in rows] == ["finished", "interrupted", "waiting"]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(
        "error: the checkpoint cannot be written: No space left on device; 1 of 3 cells are kept; "
        "to go on once it can be: python -m experiments.sweep --config=anime "
    )
    status, rows = run("seed=0,1,2")
    assert status == 0
    assert [row["status"] for row in rows] == ["finished"] * 3


def test_sweep_larger_grid_keeps_what_is_done(run, tmp_path, caplog):
    caplog.set_level("INFO", "styleinv")
    run("size=2", "seed=0")
    before = times(tmp_path / "sweep")
    started = time.monotonic()
    assert run("size=2", "seed=0")[0] == 0
    assert time.monotonic() - started < 5
    assert times(tmp_path / "sweep") == before
    status, rows = run("size=2,3", "seed=0")
    assert status == 0
    assert "2 cells, 1 of them done before" in caplog.text
    assert [row["status"] for row in rows] == ["finished"] * 2
    assert before.items() <= times(tmp_path / "sweep").items()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "there is no grid; give at least one: --grid='seed=0,1,2'"),
        (["seed=0", "size=x"], "--config.dataset.size (=x) must be a whole number"),
        (["seed=0", "tv=1,-1"], "config.tv (=-1.0) must be 0 or more"),
        (["seed=0", "--config.seeds=1"], "--config.seeds is in the grid too; give it in one"),
        (["tv=1,1.0"], "the cells tv-1 and tv-1.0 are the same run; leave one out"),
        (["alpha=1,2"], "--grid: learn_style has no use for alpha, and all cells would be"),
        (["bits=8,16"], "--grid: learn_style has no use for content.bits, and all cells would"),
        (["tv=1", "--workers=0"], "--workers (=0) must be a whole number, 1 or more"),
        (["tv=1", "--engine=slurm"], "--engine (=slurm) is not known"),
        (["tv=1", "--address=a:1"], "--address (=a:1) is for --engine=ray"),
        (["tv=1", "--experiment=learn"], "--experiment (=learn) is not known; did you mean learn_"),
        (["tv=1", "--workers"], "--workers has no value"),
        (["tv=1", "--worker=2"], "--worker is no flag; did you mean workers?"),
        (["tv=1", "--experiment=transfer"], "there is no photo to restyle"),
    ],
)
def test_sweep_mistake_is_one_line_and_nothing_is_written(run, tmp_path, capsys, words, message):
    status, rows = run(*words)
    error = capsys.readouterr().err
    assert (status, rows) == (2, [])
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=1"], "holds a sweep with 1 cells that this grid has not (seed-0); add to its axes"),
        (["seed=0", "size=1"], "holds a sweep with 1 cells that this grid has not"),
        (["seed=0", "--config.tv=2"], "holds a sweep with config.tv=0.3, not 2.0; name a new"),
    ],
)
def test_sweep_folder_of_another_is_refused(run, tmp_path, capsys, words, message):
    folder = tmp_path / "sweep"
    status, _ = run("seed=0", "--config.dataset.path=nowhere")  # fails at once, and is written
    assert status == 1
    before = (folder / "sweep.json").read_bytes()
    assert run("--config.dataset.path=nowhere", *words)[0] == 2
    assert message in capsys.readouterr().err
    assert (folder / "sweep.json").read_bytes() == before


def test_sweep_folder_of_something_else_is_refused(run, tmp_path, capsys):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "thesis.txt").write_text("mine")
    assert run("seed=0")[0] == 2
    assert "holds files but no sweep; name a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "reason"), [("sweep", "Permission denied"), ("a" * 480, "File name too long")]
)
def test_sweep_folder_that_cannot_be_read_is_refused(command, tmp_path, capsys, name, reason):
    (tmp_path / "sweep").mkdir()
    with locked(tmp_path / "sweep"):
        assert command(sweep, [*BASE, "--grid=seed=0", f"--workdir={tmp_path / name}"]) == 2
    assert f"{name}) cannot be read: {reason}" in capsys.readouterr().err


def test_sweep_of_transfers_has_their_numbers(run, pictures, tmp_path):
    photo = pictures / "a.png"
    layers = "--config.content.layers=relu1_1"
    status, rows = run(f"content={photo}", "alpha=1,0.1+0.01", layers)
    assert status == 0
    assert [row["content.path"] for row in rows] == [str(photo)] * 2
    assert all(float(row["content"]) > 0 and float(row["distance"]) > 0 for row in rows)
    assert all(row["dispersion"] == "" for row in rows)
    assert (tmp_path / "sweep" / "report.html").is_file()
