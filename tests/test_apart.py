"""Several style images at a time, one on each device: the same as one after the other."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from test_faults import WORDS as ONE_SEED

from experiments import apart, cli, learn_style, session
from scripts.campaign.folder import differences, lost, steps_kept
from styleinv import files, minimize
from styleinv.errors import DiskError

ROOT = Path(__file__).resolve().parents[1]
WORDS = [*ONE_SEED, "--config.steps=6", "--config.seeds=0,1,2"]


@pytest.fixture(scope="module")
def in_turn(tmp_path_factory):
    """The folder of a run whose seeds were one after the other."""
    folder = tmp_path_factory.mktemp("runs") / "in_turn"
    assert learn_style.execute(cli.parse("learn_style", [*WORDS, f"--workdir={folder}"])) == 0
    return folder


@pytest.fixture
def two_devices(monkeypatch):
    """Which are one and the same: all but their number is as it would be."""
    monkeypatch.setattr(apart, "_devices", lambda opened, count: jax.local_devices()[:1] * 2)


def test_seeds_on_two_devices_are_those_of_one_after_the_other(in_turn, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.learn_style", *WORDS, f"--workdir={tmp_path / 'run'}"],
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    begun = [line for line in done.stderr.splitlines() if line.startswith("learning seed")][:2]
    assert {line.split()[2] for line in begun} == {"0", "1"}
    assert differences(tmp_path / "run", in_turn) == []


@pytest.mark.parametrize("again", ["two", "one"])
def test_seeds_that_were_stopped_go_on_on_any_number_of_devices(
    in_turn, two_devices, learn, tmp_path, monkeypatch, again
):
    folder, asked = tmp_path / "run", []
    request = cli.parse("learn_style", [*WORDS, f"--workdir={folder}"])

    def stop():
        asked.append(1)
        return 15 if len(asked) > 6 else 0

    minimize._step.clear_cache()
    assert session.execute(learn_style.EXPERIMENT, request, stop=stop) == 128 + 15
    assert minimize._step._cache_size() == 1  # for all that the devices were given
    kept = steps_kept(folder)
    assert sum(map(len, kept.values())) >= 4
    if again == "one":
        monkeypatch.undo()
    assert learn_style.execute(request) == 0
    assert lost(folder, kept) == []
    assert differences(folder, in_turn) == []


def test_seeds_are_kept_when_one_of_them_cannot_be_written(
    in_turn, two_devices, learn, tmp_path, monkeypatch, capsys
):
    folder, write = tmp_path / "run", files.write

    def full(path, content):
        if path.name == "seed1_step00006.png":
            raise DiskError(f"{path} cannot be written: No space left on device")
        write(path, content)

    monkeypatch.setattr(files, "write", full)
    assert learn([*WORDS, f"--workdir={folder}"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "/seed1_step00006.png cannot be written: No space left on device; the steps " in said
    assert "up to the last checkpoint of each picture are kept; to go on once it can be: " in said
    kept = steps_kept(folder)
    monkeypatch.setattr(files, "write", write)
    assert learn([*WORDS, f"--workdir={folder}"]) == 0
    assert lost(folder, kept) == []
    assert differences(folder, in_turn) == []


def test_a_run_that_was_killed_at_its_very_end_leaves_no_folder_of_a_picture(
    in_turn, two_devices, tmp_path, monkeypatch
):
    request = cli.parse("learn_style", [*WORDS, f"--workdir={tmp_path / 'run'}"])
    with monkeypatch.context() as held:
        held.setattr("styleinv.checkpoints.remove", lambda folder: None)
        assert learn_style.execute(request) == 0
    (tmp_path / "run" / "report.html").unlink()
    assert learn_style.execute(request) == 0
    assert differences(tmp_path / "run", in_turn) == []
