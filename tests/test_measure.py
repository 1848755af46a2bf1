"""Whole passes in processes of their own: many devices, many processes, kills at any moment."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import measure
from styleinv import style_file
from styleinv.measuring.parts import Parts
from styleinv.style_file import Origin

ROOT = Path(__file__).resolve().parents[1]
WORDS = [
    "--config=anime",
    "--config.style.layers=relu1_1,relu2_1",
    "--config.resolution=32",
    "--config.steps=9",
]
COUNT = 160


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small pictures of two shapes, more of one than a device takes at a time."""
    folder = tmp_path_factory.mktemp("many")
    generator = np.random.default_rng(0)
    for k in range(COUNT):
        shape = (36, 24) if k % 7 == 0 else (24, 36)
        pixels = generator.integers(0, 256, (*shape, 3), np.uint8) // (1 + k % 4)
        Image.fromarray(pixels).save(folder / f"{k:03}.png")
    return folder


@pytest.fixture(scope="module")
def alone(folder, tmp_path_factory):
    """The folder of a pass that nobody disturbed."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    assert finish(start(folder, workdir)) == (0, "")
    return workdir


def words_of(folder, workdir):
    """The command line of a pass."""
    return [*WORDS, f"--config.dataset={folder}", f"--workdir={workdir}"]


def start(folder, workdir, *words, devices=1, **options):
    """A pass in a process of its own."""
    command = [sys.executable, "-m", "experiments.measure", *words_of(folder, workdir), *words]
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)


def finish(process):
    """(exit status, the line of an error)."""
    _, errors = process.communicate(timeout=120)
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in errors, errors
    return process.returncode, " ".join(lines)


def together(folder, workdir, count, *words):
    """So many processes of one pass."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [f"--coordinator=127.0.0.1:{port}", f"--processes={count}", "--patience=4"]
    return [start(folder, workdir, *launch, f"--process={k}", *words) for k in range(count)]


def wait_for_change(path, processes):
    """Until a file is written, once more if it is there."""
    before, deadline = modified(path), time.monotonic() + 60
    while modified(path) == before and time.monotonic() < deadline:
        assert all(process.poll() is None for process in processes), finish(processes[0])
        time.sleep(0.002)


def modified(path):
    return path.stat().st_mtime_ns if path.exists() else 0


def assert_same(workdir, desired):
    """The same style to 1e-6, of the same pictures."""
    (actual, origin), (styles, other) = (
        style_file.load(each / "style.safetensors") for each in (workdir, desired)
    )
    named = sorted(map(str, origin.images))
    assert named == sorted(map(str, other.images))
    for resolution, style in styles.items():
        for layer, moments in style.moments.items():
            found = actual[resolution].moments[layer]
            for a, d in zip(found[:3], moments[:3], strict=True):
                np.testing.assert_allclose(a, d, rtol=0, atol=1e-6 * np.max(d))
            norm = (moments.second**2).sum()
            np.testing.assert_allclose(found.spread, moments.spread, rtol=1e-6, atol=1e-6 * norm)


def test_one_pass_leaves_a_style_that_the_other_experiments_take(alone, learn, command, tmp_path):
    names = sorted(path.name for path in alone.iterdir())
    assert names == ["config.json", "run.json", "skipped.csv", "style.safetensors"]
    assert (alone / "skipped.csv").read_text() == "file_name,reason\n"
    told = json.loads((alone / "run.json").read_text())
    assert (told["status"], told["images"], told["skipped"]) == ("finished", COUNT, 0)
    _, origin = style_file.load(alone / "style.safetensors")
    assert isinstance(origin, Origin)
    assert len(origin.images) == COUNT
    given = f"--config.style={alone / 'style.safetensors'}"
    assert learn([*WORDS, "--config.steps=1", given, f"--workdir={tmp_path / 'run'}"]) == 0
    assert command(measure, words_of(".", alone)) == 2  # of another dataset


def test_eight_devices_and_another_order_give_the_same_style(folder, alone, tmp_path):
    other = tmp_path / "pictures"
    shutil.copytree(folder, other)
    names = np.random.default_rng(0).permutation(sorted(path.name for path in folder.iterdir()))
    (other / "metadata.csv").write_text("\n".join(["file_name", *names]))
    assert finish(start(other, tmp_path / "run", devices=8)) == (0, "")
    assert_same(tmp_path / "run", alone)


def test_three_processes_give_the_same_style(folder, alone, tmp_path):
    for process in together(folder, tmp_path / "run", 3):
        assert finish(process) == (0, "")
    assert not (tmp_path / "run" / "parts").exists()
    assert_same(tmp_path / "run", alone)


def test_a_pass_stopped_in_any_way_goes_on_to_the_same_bytes(folder, alone, tmp_path, command):
    workdir = tmp_path / "run"
    for name, status in (("SIGTERM", 128 + signal.SIGTERM), ("SIGKILL", -signal.SIGKILL)):
        process = start(folder, workdir, "--every=0")
        part = workdir / "parts" / "part-0.safetensors"
        wait_for_change(part, [process])
        process.send_signal(getattr(signal, name))
        out, _ = process.communicate(timeout=60)
        assert process.returncode == status
        assert ("stopped; to go on: python -m experiments.measure" in out) == (name == "SIGTERM")
    assert not (workdir / "style.safetensors").exists()
    assert command(measure, words_of(folder, workdir)) == 0
    actual, desired = ((f / "style.safetensors").read_bytes() for f in (workdir, alone))
    assert actual == desired


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_dies_stops_the_others_and_another_number_goes_on(
    folder, alone, tmp_path, command, victim
):
    workdir = tmp_path / "run"
    processes = together(folder, workdir, 2, "--every=0")
    other = processes[1 - victim]
    wait_for_change(workdir / "parts" / f"part-{victim}.safetensors", processes)
    other.send_signal(signal.SIGSTOP)  # or it may be done before it can notice
    processes[victim].kill()
    processes[victim].communicate(timeout=10)
    other.send_signal(signal.SIGCONT)
    status, line = finish(other)
    if victim == 0 and status == 0:  # it was done with its share, which the next will take
        assert (workdir / "parts" / "part-1.safetensors").exists()
    else:
        assert status == 2
        assert f"process {victim} of 2 has died: no sign of life for 4 seconds; start all" in line
    assert command(measure, words_of(folder, workdir)) == 0
    assert_same(workdir, alone)


def test_processes_that_fail_before_the_pass_begins_leave_its_folder_free(
    folder, alone, tmp_path, command
):
    workdir, broken = tmp_path / "run", tmp_path / "broken.safetensors"
    broken.write_bytes(b"")
    for process in together(folder, workdir, 2, f"--config.network.weights={broken}"):
        status, line = finish(process)
        assert status == 2
        assert "broken.safetensors" in line
    assert command(measure, words_of(folder, workdir)) == 0
    names = sorted(path.name for path in workdir.iterdir())
    assert names == ["config.json", "run.json", "skipped.csv", "style.safetensors"]
    assert_same(workdir, alone)


def test_pictures_that_cannot_be_read_are_listed_or_refused(folder, tmp_path, command, capsys):
    other = tmp_path / "pictures"
    shutil.copytree(folder, other)
    (other / "007.png").write_bytes(b"no picture")
    (other / "011.png").write_bytes(b"")
    odd = os.fsdecode(b"caf\xe9.png")  # no UTF-8
    shutil.copyfile(other / "001.png", other / odd)
    words = [*WORDS, f"--config.dataset={other}"]
    assert command(measure, [*words, f"--workdir={tmp_path / 'refused'}"]) == 2
    assert "error: " + str(other / "007.png") + " is not a readable" in capsys.readouterr().err
    assert not (tmp_path / "refused" / "style.safetensors").exists()
    workdir = tmp_path / "skipped"
    assert (
        command(measure, [*words, "--config.dataset.unreadable=skip", f"--workdir={workdir}"]) == 0
    )
    assert "measuring 100 %" in capsys.readouterr().err
    header, *rows = csv.reader((workdir / "skipped.csv").read_text().splitlines())
    assert header == ["file_name", "reason"]
    assert [name for name, _ in rows] == ["007.png", "011.png"]
    assert "is not a readable image" in rows[0][1]
    _, origin = style_file.load(workdir / "style.safetensors")
    assert len(origin.images) == COUNT - 2 + 1
    assert odd in [image["name"] for image in origin.images]
    assert sum(image["weight"] for image in origin.images) == pytest.approx(1)


def test_nothing_readable_is_refused(tmp_path, command, capsys):
    (tmp_path / "a.png").write_bytes(b"")
    words = [*WORDS, f"--config.dataset={tmp_path / 'a.png'}", "--config.dataset.unreadable=skip"]
    assert command(measure, [*words, f"--workdir={tmp_path / 'run'}"]) == 2
    assert "none of the 1 images can be used: " in capsys.readouterr().err


def test_a_pass_that_left_pictures_out_is_not_finished(
    pictures, tmp_path, command, capsys, monkeypatch
):
    monkeypatch.setattr(Parts, "total", lambda kept: kept._kind.nothing())
    words = words_of(pictures, tmp_path / "run")
    assert command(measure, words) == 2
    assert "error: 4 of 4 images were left out; name a new --workdir" in capsys.readouterr().err
    assert not (tmp_path / "run" / "style.safetensors").exists()


def test_a_finished_run_of_another_experiment_is_no_pass(alone, folder, learn, capsys):
    assert learn(words_of(folder, alone)) == 2
    assert "holds a run of measure, not learn_style; name a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes=2"], r"--coordinator, --processes and --process belong together"),
        (["--coordinator=a:1", "--processes=2", "--process=2"], r"--process \(=2\) must be"),
        (["--distributed=yes"], r"write --distributed=auto, or"),
        (["--every=soon"], r"--every \(=soon\) must be a number of seconds"),
        (["--config.dataset=a.safetensors"], r"a\.safetensors is measured already"),
        (["--config.dataset.unreadable=maybe"], r"options are refuse, skip"),
        (["--config.style.debias=true"], r"config\.style\.debias is for learn_style and transfer"),
        (["--config.content=photo.jpg"], r"config\.content\.path is for learn_style and transfer"),
        (["--config.content.masks=sky=a.png"], r"config\.content\.masks is for learn_style and"),
        (["--config.style.mode=in_place"], r"config\.style\.mode is for learn_style and transfer"),
        (
            ["--config.style.mode=layout", "--config.style.layout=sky=a.png"],
            r"config\.style\.mode is for learn_style and transfer",
        ),
        (["--config.dataset.originals=photos"], r"dataset\.originals is for learn_style and trans"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_is_written(
    tmp_path, command, capsys, words, message
):
    assert command(measure, [*WORDS, *words, f"--workdir={tmp_path / 'run'}"]) == 2
    assert re.search(f"^error: .*{message}", capsys.readouterr().err, re.MULTILINE)
    assert not (tmp_path / "run").exists()
