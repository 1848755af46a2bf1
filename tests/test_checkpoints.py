"""Checkpoints: read back as they were, and the one before where the last is damaged."""

import json

import numpy as np
import pytest

from styleinv import checkpoints as module
from styleinv import files, record
from styleinv.checkpoints import Checkpoint, Checkpoints, last_number
from styleinv.synthesize import Position


@pytest.fixture
def saved(tmp_path):
    """The folder of three, of which the first is not kept."""
    checkpoints = Checkpoints(tmp_path)
    for number in (10, 20, 30):
        leaves = [np.full((2, 3), number, np.float32), np.array(number)]
        checkpoints.save(Checkpoint(number, leaves, {"stage": number}))
    checkpoints.close()
    return tmp_path


def empty(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def test_the_last_two_are_kept_and_the_last_is_restored(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["20", "30"]
    assert last_number(saved) == 30
    found, damaged = Checkpoints(saved).restore()
    assert found is not None
    assert (found.number, found.meta, damaged) == (30, {"stage": 30}, [])
    np.testing.assert_array_equal(found.leaves[0], np.full((2, 3), 30, np.float32))
    assert found.leaves[1] == 30


def test_none_is_restored_from_a_new_folder(tmp_path):
    assert Checkpoints(tmp_path / "new").restore() == (None, [])
    assert last_number(tmp_path / "newer") == 0


def test_many_leaves_are_restored_in_their_order(tmp_path):
    Checkpoints(tmp_path).save(Checkpoint(1, [np.full(3, k) for k in range(12)], {}))
    found, _ = Checkpoints(tmp_path).restore()
    assert found is not None
    assert [leaf[0] for leaf in found.leaves] == list(range(12))


def test_where_the_last_is_damaged_the_one_before_is_restored(saved):
    empty(saved / "30")
    checkpoints = Checkpoints(saved)
    found, damaged = checkpoints.restore()
    assert found is not None
    assert (found.number, damaged) == (20, [30])
    checkpoints.save(Checkpoint(30, found.leaves, {"stage": 31}))
    again, _ = checkpoints.restore()
    assert again is not None
    assert again.meta == {"stage": 31}


def test_a_single_wrong_byte_is_damage(tmp_path):
    checkpoints, leaf = Checkpoints(tmp_path), np.arange(1, 10_000, dtype=np.float32)
    for number in (1, 2):
        checkpoints.save(Checkpoint(number, [leaf * number], {}))
    value = (leaf * 2).tobytes()
    (path,) = (p for p in (tmp_path / "2").rglob("d/*") if value in p.read_bytes())
    path.write_bytes(path.read_bytes().replace(value, b"\1" + value[1:]))
    found, damaged = Checkpoints(tmp_path).restore()
    assert found is not None
    assert (found.number, damaged) == (1, [2])
    np.testing.assert_array_equal(found.leaves[0], leaf)


def test_where_all_are_damaged_nothing_is_removed(saved):
    empty(saved)
    with pytest.raises(Exception):  # noqa: B017, PT011 - of whatever kind
        Checkpoints(saved).restore()
    assert sorted(path.name for path in saved.iterdir()) == ["20", "30"]


def test_what_a_killed_save_has_left_is_removed(saved):
    left = saved / "40.orbax-checkpoint-tmp"
    (left / "leaves").mkdir(parents=True)
    checkpoints = Checkpoints(saved)
    checkpoints.save(Checkpoint(50, [np.zeros(3)], {}))
    assert sorted(path.name for path in saved.iterdir()) == ["30", "50"]


def test_a_checkpoint_is_put_on_the_disk_with_all_its_names(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(module, "sync", synced.append)
    opened = Checkpoints(tmp_path / "run")
    opened.save(Checkpoint(7, [np.zeros(3)], {}))
    opened.close()
    there = {tmp_path / "run", *(tmp_path / "run").rglob("*")}
    assert set(synced) == {path.resolve() for path in there}
    assert synced[-2:] == [tmp_path / "run" / "7", tmp_path / "run"]


def test_a_run_says_that_it_goes_on_from_the_one_before(tmp_path, caplog):
    with record.Record(tmp_path, {}, {"experiment": "learn_style"}) as run:
        for step in (1, 2, 3):
            line = {"picture": 0, "stage": 0, "stage_step": step, "loss": 1.0, "values": {}}
            run.step(step, line)
            run.checkpoint(step, 0, Position(0, step, [np.full(5, step, np.float32)]))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    empty(tmp_path / "checkpoints" / "3")
    with record.Record(tmp_path, {}, {"experiment": "learn_style"}) as run:
        assert run.resume is not None
        assert run.resume[1].step == 2
    assert f"checkpoint 3 of {tmp_path} is damaged: going on from 2" in caplog.text
    assert (tmp_path / "metrics.jsonl").read_text().splitlines() == lines[:2]
    assert json.loads(lines[1])["stage_step"] == 2


def test_the_lines_of_a_run_are_on_the_disk_before_the_checkpoint_that_counts_them(
    tmp_path, monkeypatch
):
    seen = []
    with record.Record(tmp_path, {}, {"experiment": "learn_style"}) as run:
        run.step(1, {"picture": 0, "stage": 0, "stage_step": 1, "loss": 1.0, "values": {}})
        monkeypatch.setattr(files, "sync", lambda path: seen.append(path.name))
        monkeypatch.setattr(Checkpoints, "save", lambda *_: seen.append("saved"))
        run.checkpoint(1, 0, Position(0, 1, [np.ones(2)]))
    assert seen[:2] == ["metrics.jsonl", "saved"]
