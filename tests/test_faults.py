"""Killed at any instant, on a full disk, in a folder that cannot be written: a run goes on.

The machinery of scripts/faults.py, in short; docs/faults.md has what the long campaigns found.
"""

import random
import shutil
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from itertools import product

import numpy as np
import pytest
import safetensors.numpy
from permissions import obedient
from PIL import Image
from words import SMALL

from experiments import cli, learn_style, measure, transfer
from scripts.campaign.folder import differences, lost, steps_kept, unreadable
from scripts.campaign.instants import watched
from scripts.campaign.kills import disturb
from styleinv import files
from styleinv.checkpoints import Checkpoint, Checkpoints
from styleinv.errors import DiskError
from styleinv.record import Record
from styleinv.weights import cache as weights_cache

WORDS = [
    *SMALL,
    "--config.dataset.size=1",
    "--config.steps=6,6",
    "--config.snapshots=3",
    "--config.checkpoint_every=4",
]


PHOTO = [
    "--config=transfer",
    *WORDS[1:],
    "--config.steps=12",
    "--config.style=data/anime/01.jpg",
    "--config.content=data/anime/04.jpg",
    "--config.content.layers=relu1_1",
]
STAGES = {  # experiment: its words, {what the answer names: what it says is kept}
    learn_style: (
        WORDS,
        {
            "run.json": "no step is kept yet",
            "style.safetensors": "no step is kept yet",
            "metrics.jsonl": "no step is kept yet",
            "checkpoints/8": "4 steps are kept",
            "report.html": "its results are kept",
        },
    ),
    measure: (
        WORDS,
        {
            "run.json": "no step is kept yet",
            "parts/inherited.safetensors": "no step is kept yet",
            "parts/part-0.safetensors": "no step is kept yet",
            "skipped.csv": "what was measured up to the last checkpoint is kept",
            "style.safetensors": "what was measured up to the last checkpoint is kept",
        },
    ),
    transfer: (
        PHOTO,
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


def name_of(experiment):
    return experiment.__name__.rpartition(".")[2]


@pytest.fixture(scope="module")
def undisturbed_of(tmp_path_factory):
    """A function: experiment -> the folder of a run of it that nothing happened to."""

    @cache
    def find(experiment):
        name, (words, _) = name_of(experiment), STAGES[experiment]
        folder = tmp_path_factory.mktemp(name) / "undisturbed"
        assert experiment.execute(cli.parse(name, [*words, f"--workdir={folder}"])) == 0
        return folder

    return find


@pytest.fixture
def undisturbed(undisturbed_of):
    return undisturbed_of(learn_style)


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
    with obedient():
        yield
    for path in inside:
        if path.is_dir():
            path.chmod(0o755)


@contextmanager
def struck(stage, blow):
    """What a run does is disturbed from the stage on, by what is entered there."""
    with ExitStack() as entered, pytest.MonkeyPatch.context() as patch:

        def before(owner, name, meets):
            method = getattr(owner, name)

            def disturbed(*arguments):
                if meets(*arguments):
                    patch.setattr(owner, name, method)
                    entered.enter_context(blow())
                return method(*arguments)

            patch.setattr(owner, name, disturbed)

        line = stage == "metrics.jsonl"
        before(files, "write", lambda path, _: not line and str(path).endswith(stage))
        before(Record, "step", lambda _, number, __: line and number == 3)
        before(Checkpoints, "save", lambda _, c: stage == f"checkpoints/{c.number}")
        yield


@pytest.mark.parametrize("experiment", STAGES, ids=name_of)
def test_no_blow_at_any_stage_loses_what_was_kept(
    undisturbed_of, command, tmp_path, capsys, experiment
):
    """One run that at each stage finds the disk full, goes on, and finds its folder read-only."""
    words, stages = STAGES[experiment]
    folder, whole, before = tmp_path / "run", undisturbed_of(experiment), {}
    words = [*words, f"--workdir={folder}"]
    capsys.readouterr()
    blows = {"File too large": full_disk, "Permission denied": partial(read_only, folder)}
    for stage, (reason, blow) in product(stages, blows.items()):
        if stage == "metrics.jsonl" and blow is not full_disk:
            continue  # it is open: its folder does not matter
        with struck(stage, blow):
            assert command(experiment, words) == 2, (stage, reason)
        *log, last = capsys.readouterr().err.splitlines()
        assert not [line for line in log if "Traceback" in line or line.startswith("error")]
        assert last == (
            f"error: {folder}/{stage} cannot be written: {reason}; {stages[stage]}; to go on once "
            f"it can be: python -m experiments.{name_of(experiment)} {' '.join(words)}"
        )
        assert unreadable(folder) == [], (stage, reason)
        assert lost(folder, before) == [], (stage, reason)
        before = steps_kept(folder)
    assert command(experiment, words) == 0
    assert lost(folder, before) == []
    assert differences(folder, whole) == []


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
