"""Killed at any instant, on a full disk, in a folder that cannot be written: a run goes on.

The machinery of scripts/faults.py, in short; docs/faults.md has what the long campaigns found.
"""

import ctypes
import os
import random
import shutil
from contextlib import ExitStack, contextmanager
from functools import cache, partial

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from experiments import cli, learn_style, measure, transfer
from scripts.campaign.folder import differences, steps_kept, unreadable
from scripts.campaign.instants import watched
from scripts.campaign.kills import disturb
from styleinv import files
from styleinv.checkpoints import Checkpoint, Checkpoints
from styleinv.errors import DiskError
from styleinv.record import Record
from styleinv.weights import cache as weights_cache

WORDS = [
    "--config=anime",
    "--config.network.weights=random",
    "--config.network.convolution=direct",
    "--config.dataset.size=1",
    "--config.style.layers=relu1_1",
    "--config.resolution=32",
    "--config.steps=6,6",
    "--config.snapshots=3",
    "--config.checkpoint_every=4",
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    assert learn_style.execute(cli.parse("learn_style", [*WORDS, f"--workdir={folder}"])) == 0
    return folder


def test_a_run_goes_on_from_every_instant(undisturbed, learn, tmp_path):
    """Instants are those between two operations on files; the campaign goes through all."""
    folder, copies = tmp_path / "run", tmp_path / "copies"
    with watched(folder, copies):
        assert learn([*WORDS, f"--workdir={folder}"]) == 0
    assert differences(folder, undisturbed) == []
    killed = sorted(copies.iterdir())
    assert len(killed) > 50
    for copy in killed:
        assert unreadable(copy) == [], copy.name
    for copy in [*killed[5 :: len(killed) // 4], killed[-1]]:  # at the last, only a lock is left
        assert learn([*WORDS, f"--workdir={copy}"]) == 0, copy.name
        assert differences(copy, undisturbed) == [], copy.name


def test_a_process_killed_at_random_moments_goes_on(undisturbed, tmp_path):
    lives = list(
        disturb(
            "learn_style",
            ["learn_style", *WORDS],
            tmp_path / "run",
            weights_cache.folder(),
            undisturbed,
            longest=4,
            draw=random.Random(5),
            most=1,
        )
    )
    assert [life for life in lives if life.found] == []
    assert differences(tmp_path / "run", undisturbed) == []


@contextmanager
def full_disk():
    """No file grows any more, of whichever library: as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(folder):
    """No file is made any more in a folder and those inside, by root neither."""
    inside = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in inside:
        path.chmod(0o555)
    with _obedient():
        yield
    for path in inside:
        if path.is_dir():
            path.chmod(0o755)


@contextmanager
def _obedient():
    """Takes from root, for this thread and a while, the right to pass over permissions."""
    if not hasattr(os, "geteuid") or os.geteuid():
        yield
        return
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    before = data[0]
    data[0] &= ~(1 << 1)  # CAP_DAC_OVERRIDE
    assert libc.capset(header, data) == 0
    try:
        yield
    finally:
        data[0] = before
        assert libc.capset(header, data) == 0


STAGES = {  # what the answer names: what it says is kept
    "run.json": "no step is kept yet",
    "style.safetensors": "no step is kept yet",
    "metrics.jsonl": "no step is kept yet",
    "checkpoints/8": "4 steps are kept",
    "report.html": "its results are kept",
}


PHOTO = "--config.content=data/anime/04.jpg --config.content.layers=relu1_1"
OTHERS = {  # experiment: (its words, stages as above)
    measure: (
        WORDS,
        {
            "run.json": "nothing is kept yet",
            "parts/inherited.safetensors": "nothing is kept yet",
            "parts/part-0.safetensors": "nothing is kept yet",
            "skipped.csv": "what was measured up to the last checkpoint is kept",
            "style.safetensors": "what was measured up to the last checkpoint is kept",
        },
    ),
    transfer: (
        ["--config=transfer", *WORDS[1:], *PHOTO.split(), "--config.style=data/anime/01.jpg"],
        {
            "run.json": "no step is kept yet",
            "style.safetensors": "no step is kept yet",
            "checkpoints/8": "4 steps are kept",
            "stylized.png": "8 steps are kept",
            "results/04.json": "8 steps are kept",
            "results.json": "12 steps are kept",
            "curve.png": "its results are kept",
            "report.html": "its results are kept",
        },
    ),
}


@pytest.fixture
def disturbed_at(monkeypatch):
    """A function: stage, what to enter there -> none; what is entered is left with the test."""
    with ExitStack() as entered:

        def at(stage, blow):
            def before(owner, name, meets):
                method = getattr(owner, name)

                def disturbed(*arguments):
                    if meets(*arguments):
                        monkeypatch.setattr(owner, name, method)
                        entered.enter_context(blow())
                    return method(*arguments)

                monkeypatch.setattr(owner, name, disturbed)

            line = stage == "metrics.jsonl"
            before(files, "write", lambda path, _: not line and str(path).endswith(stage))
            before(Record, "step", lambda _, number, __: line and number == 3)
            before(Checkpoints, "save", lambda _, c: stage == f"checkpoints/{c.number}")
            return entered

        yield at


def check_goes_on(
    run, capsys, entered, folder, undisturbed, stage, kept, reason, name="learn_style", words=WORDS
):
    words = [*words, f"--workdir={folder}"]
    assert run(words) == 2
    entered.close()
    *log, last = capsys.readouterr().err.splitlines()
    assert not [line for line in log if "Traceback" in line or line.startswith("error")]
    assert last == (
        f"error: {folder}/{stage} cannot be written: {reason}; {kept}; to go on once it can be: "
        f"python -m experiments.{name} {' '.join(words)}"
    )
    assert unreadable(folder) == []
    before = steps_kept(folder)
    assert run(words) == 0
    for path, lines in before.items():
        assert (folder / path).read_text().splitlines()[: len(lines)] == lines
    assert differences(folder, undisturbed) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_loses_nothing_that_was_kept(
    undisturbed, disturbed_at, learn, tmp_path, capsys, stage
):
    folder, reason = tmp_path / "run", "File too large"
    entered = disturbed_at(stage, full_disk)
    check_goes_on(learn, capsys, entered, folder, undisturbed, stage, STAGES[stage], reason)


@pytest.mark.parametrize("stage", ["run.json", "style.safetensors", "checkpoints/8"])
def test_a_folder_that_becomes_read_only_loses_nothing_that_was_kept(
    undisturbed, disturbed_at, learn, tmp_path, capsys, stage
):
    folder, reason = tmp_path / "run", "Permission denied"
    entered = disturbed_at(stage, lambda: read_only(folder))
    check_goes_on(learn, capsys, entered, folder, undisturbed, stage, STAGES[stage], reason)


@pytest.fixture(scope="module")
def undisturbed_of(tmp_path_factory):
    """A function: experiment -> the folder of a run of it that nothing happened to."""

    @cache
    def find(experiment):
        name, (words, _) = experiment.__name__.rpartition(".")[2], OTHERS[experiment]
        folder = tmp_path_factory.mktemp(name) / "undisturbed"
        request = cli.parse(name, [*words, f"--workdir={folder}"])
        assert experiment.execute(request) == 0
        return folder

    return find


@pytest.mark.parametrize("blow", ["full", "read-only"])
@pytest.mark.parametrize(
    ("experiment", "stage"),
    [(experiment, stage) for experiment, (_, stages) in OTHERS.items() for stage in stages],
    ids=lambda value: value if isinstance(value, str) else value.__name__.rpartition(".")[2],
)
def test_the_other_experiments_lose_nothing_either(
    undisturbed_of, disturbed_at, command, tmp_path, capsys, experiment, stage, blow
):
    words, stages = OTHERS[experiment]
    folder, whole = tmp_path / "run", undisturbed_of(experiment)
    capsys.readouterr()
    entered = disturbed_at(stage, full_disk if blow == "full" else lambda: read_only(folder))
    check_goes_on(
        partial(command, experiment), capsys, entered, folder, whole, stage, stages[stage],
        "File too large" if blow == "full" else "Permission denied",
        experiment.__name__.rpartition(".")[2], words,
    )  # fmt: skip


def test_a_folder_that_is_read_only_from_the_start_is_answered(learn, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    with read_only(folder):
        assert learn([*WORDS, f"--workdir={folder}"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"error: {folder} cannot be written: Permission denied"
    assert list(folder.iterdir()) == []


def test_a_checkpoint_waits_for_room(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskError, match="/7 cannot be written: No space left on device"):
        checkpoints.save(Checkpoint(7, [np.ones(5, np.float32)], {}))
    assert list(tmp_path.iterdir()) == []
    checkpoints.close()


@pytest.fixture
def two(tmp_path):
    """Two folders alike, with one file of each kind."""
    first = tmp_path / "first"
    first.mkdir()
    Image.new("RGB", (40, 40), "red").save(first / "a.png")
    Image.effect_noise((40, 40), 90).convert("RGB").save(first / "b.jpg")
    safetensors.numpy.save_file({"a": np.ones(9)}, first / "c.safetensors")
    (first / "d.json").write_text('{"a": 1}')
    (first / "metrics.jsonl").write_text('{"loss": 1, "seconds": 2}\n' * 3)
    (first / "f.html").write_text("<html></html>")
    (first / "g.csv").write_text("a,b,seconds\n1,2,3")
    shutil.copytree(first, tmp_path / "second")
    assert unreadable(first) == differences(tmp_path / "second", first) == []
    return tmp_path / "second", first


_CUT = {"a.png": 13, "b.jpg": 100, "c.safetensors": 3, "d.json": 1, "f.html": 3, "g.csv": 3}


@pytest.mark.parametrize("name", [*_CUT, "metrics.jsonl"])
def test_the_campaign_sees_a_file_that_is_cut_off(two, name):
    actual, _ = two
    content = (actual / name).read_bytes()
    line = b'{"loss": 1, "sec\n'  # a last line may be torn, this is the first
    (actual / name).write_bytes(content[: -_CUT[name]] if name in _CUT else line + content)
    assert [found.partition(":")[0] for found in unreadable(actual)] == [name]


def test_the_campaign_sees_what_differs_but_for_the_clock(two):
    actual, desired = two
    (actual / "g.csv").write_text("a,b,seconds\n1,2,77")
    (actual / "metrics.jsonl").write_text('{"loss": 1, "seconds": 9}\n' * 3)
    assert differences(actual, desired) == []
    (actual / "metrics.jsonl").write_text('{"loss": 1, "seconds": 9}\n' * 2)
    (actual / "d.json").write_text('{"a": 2}')
    (actual / ".lock").touch()
    (actual / "more.png").touch()
    assert differences(actual, desired) == [
        "more.png is there in one only",
        ".lock is left",
        "d.json differs",
        "metrics.jsonl differs",
    ]
