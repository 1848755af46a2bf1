"""Whole runs: stopped at any instant, they end as if nothing had been."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from styleinv import images, record
from styleinv.record import Record

ROOT = Path(__file__).resolve().parents[1]
CONFIG = [
    "--config=anime",
    "--config.dataset.size=3",
    "--config.style.layers=relu1_1,relu2_1",
    "--config.resolution=32",
    "--config.steps=20,20",
    "--config.seeds=0,1",
    "--config.snapshots=15,30",
    "--config.checkpoint_every=20",
]
STEPS = 80  # two seeds of two stages of 20


def metrics(folder):
    """The lines of metrics.jsonl, without what the clock says."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def contents(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_same_run(actual, desired):
    names = [path.relative_to(desired) for path in sorted(desired.glob("images/*"))]
    assert [path.relative_to(actual) for path in sorted(actual.glob("images/*"))] == names
    for name in (*names, "style.png", "results.json", "config.json"):
        assert (actual / name).read_bytes() == (desired / name).read_bytes(), name
    styles = [safetensors.numpy.load_file(run / "style.safetensors") for run in (actual, desired)]
    np.testing.assert_equal(*styles)
    assert metrics(actual) == metrics(desired)
    assert (actual / "report.html").is_file()
    assert json.loads((actual / "run.json").read_text())["status"] == "finished"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, default_weights):
    """The folder of a run that nothing happened to, in a process of its own."""
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    done = subprocess.run(
        [sys.executable, "-m", "experiments.learn_style", *CONFIG, f"--workdir={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_learn_style_leaves_the_files_it_promises(undisturbed):
    lines = metrics(undisturbed)
    assert len(lines) == STEPS
    assert [line["resolution"] for line in lines] == 2 * (20 * [16] + 20 * [32])
    assert [line["step"] for line in lines] == 2 * list(range(1, 41))
    assert images.read(undisturbed / "style.png").shape == (32, 32, 3)
    names = {path.name for path in (undisturbed / "images").iterdir()}
    assert names == {f"seed{s}_step{n:05d}.png" for s in (0, 1) for n in (15, 30, 40)}
    assert not (undisturbed / "checkpoints").exists()


def test_learn_style_improves_and_keeps_the_best_seed(undisturbed):
    lines = metrics(undisturbed)
    results = json.loads((undisturbed / "results.json").read_text())
    for stage in range(4):
        losses = [line["loss"] for line in lines[20 * stage : 20 * (stage + 1)]]
        assert losses[-1] < 0.7 * losses[0]
        assert np.all(np.diff(losses) <= 0)
    last = {line["seed"]: line["loss"] for line in lines}
    assert results["best_seed"] == min(last, key=lambda seed: last[seed])
    assert results["loss"] == min(last.values())
    assert results["per_image"] == results["style"] + results["dispersion"]
    assert results["total"]["learned"] < 0.5 * results["total"]["noise"]


@pytest.fixture
def at_step(monkeypatch):
    """A function: {step: what to do after it}."""
    step = Record.step

    def plan(actions):
        def disturbed(self, count, line):
            step(self, count, line)
            actions.get(count, lambda: None)()

        monkeypatch.setattr(Record, "step", disturbed)

    return plan


def test_learn_style_killed_in_the_middle_of_its_steps_goes_on_bit_for_bit(
    undisturbed, learn, at_step, tmp_path
):
    """From copies of its folder, which hold what a process that is killed there leaves."""
    folder = tmp_path / "run"
    copies = {n: partial(shutil.copytree, folder, tmp_path / f"step{n}") for n in (15, 27)}
    at_step(copies | {28: partial(os.kill, os.getpid(), signal.SIGINT)})
    assert learn([*CONFIG, f"--workdir={folder}"]) == 130
    with (tmp_path / "step15" / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"seed": 0, "st')
    at_step({})
    for killed in (
        tmp_path / "step15",  # in the middle of a line, before the first checkpoint
        tmp_path / "step27",  # 20 steps are safe
    ):
        assert learn([*CONFIG, f"--workdir={killed}"]) == 0
        assert_same_run(killed, undisturbed)


def test_learn_style_interrupted_says_how_to_go_on_and_does(
    undisturbed, learn, at_step, tmp_path, capsys
):
    folder = tmp_path / "run"
    for step, number in ((33, signal.SIGTERM), (75, signal.SIGINT)):
        at_step({step: partial(os.kill, os.getpid(), number)})
        assert learn([*CONFIG, f"--workdir={folder}"]) == 128 + number
        command = f"python -m experiments.learn_style {' '.join(CONFIG)} --workdir={folder}"
        assert capsys.readouterr().out == f"stopped; to go on: {command}\n"
        assert len(metrics(folder)) == step
        assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    at_step({})
    assert learn([*CONFIG, f"--workdir={folder}"]) == 0
    assert_same_run(folder, undisturbed)


def test_learn_style_refuses_a_run_of_another_version(
    learn, at_step, monkeypatch, tmp_path, capsys
):
    """Whose numbers it would read as another picture; they are as many."""
    folder, words = tmp_path / "run", [*CONFIG, f"--workdir={tmp_path / 'run'}"]
    monkeypatch.setattr(record, "_FORMAT", record._FORMAT - 1)
    at_step({23: partial(os.kill, os.getpid(), signal.SIGINT)})
    assert learn(words) == 130
    monkeypatch.undo()
    before = contents(folder)
    capsys.readouterr()
    assert learn(words) == 2
    (line,) = [k for k in capsys.readouterr().err.splitlines() if k.startswith("error: ")]
    assert line.startswith(f"error: {folder} is a run of another version of the program: ")
    assert contents(folder) == before


def test_learn_style_several_steps_at_once_is_the_same_run(undisturbed, learn, at_step, tmp_path):
    """Killed inside a dispatch and then stopped inside another, too; of the first stage alone."""
    words = [*CONFIG, "--config.resolution=16", "--config.steps=20", "--config.snapshots=15"]
    words += ["--config.optimizer.at_once=4"]
    folder, killed = tmp_path / "run", tmp_path / "killed"
    at_step({27: partial(shutil.copytree, folder, killed)})  # 20 steps are safe
    assert learn([*words, f"--workdir={folder}"]) == 0
    pictures = {f"images/seed{s}_step{n:05d}.png" for s in (0, 1) for n in (15, 20)}
    others = {name for name in contents(undisturbed) if not name.startswith("images/")}
    assert contents(folder).keys() == pictures | others
    first_stage = [line for line in metrics(undisturbed) if line["stage"] == 0]
    for actual, desired in zip(metrics(folder), first_stage, strict=True):
        # Inside a loop the same step is another program, whose last digits differ and grow: later
        # the two part, and neither is better.
        loss, values = desired.pop("loss"), desired.pop("values")
        near = 1e-4 if desired["step"] <= 12 else 0.1
        assert actual.pop("loss") == pytest.approx(loss, rel=near)
        assert actual.pop("values") == pytest.approx(values, abs=near * loss)
        assert actual == desired

    at_step({37: partial(os.kill, os.getpid(), signal.SIGINT)})
    assert learn([*words, f"--workdir={killed}"]) == 128 + signal.SIGINT
    assert len(metrics(killed)) == 39  # a snapshot is made at 35, and the next four are one
    at_step({})
    assert learn([*words, f"--workdir={killed}"]) == 0
    assert_same_run(killed, folder)


def test_learn_style_finished_changes_nothing_when_started_again(undisturbed, learn, capsys):
    before = contents(undisturbed)
    assert learn([*CONFIG, f"--workdir={undisturbed}"]) == 0
    assert capsys.readouterr().out == (
        f"{undisturbed} holds this run, finished: see {undisturbed / 'report.html'}\n"
    )
    assert contents(undisturbed) == before


def test_learn_style_from_its_style_file_learns_the_same(undisturbed, learn, tmp_path):
    folder, file = tmp_path / "run", undisturbed / "style.safetensors"
    words = [f"--config.style={file}", "--config.dataset.size=0", f"--workdir={folder}"]
    assert learn([*CONFIG, *words]) == 0
    assert (folder / "style.png").read_bytes() == (undisturbed / "style.png").read_bytes()
    assert metrics(folder) == metrics(undisturbed)
