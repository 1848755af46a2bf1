"""Writing: the old file or the whole new one; what a killed writer leaves goes."""

import errno
import os
import stat

import pytest

from styleinv import files
from styleinv.errors import DiskError


def test_write_makes_folders_and_leaves_nothing_else(tmp_path):
    files.write(tmp_path / "a" / "b" / "c.txt", b"new")
    files.write(tmp_path / "a" / "b" / "c.txt", b"newer")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"newer"


def test_write_takes_a_name_as_long_as_the_system_does(tmp_path):
    files.write(tmp_path / ("a" * 255), b"")


def test_write_obeys_the_umask_and_never_changes_it(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as held:
            held.delattr(os, "umask")  # which is the whole process's, and so every other thread's
            files.write(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch, function):
    files.write(tmp_path / "a", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, function, full)
    with pytest.raises(DiskError, match="/a cannot be written: No space left on device"):
        files.write(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_write_puts_the_file_on_the_disk_and_then_its_name(tmp_path, monkeypatch):
    seen, fsync, replace = [], os.fsync, os.replace

    def note_fsync(handle):
        seen.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def note_replace(source, target):
        seen.append("moved")
        replace(source, target)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("looks for open files in /proc")
    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    files.write(tmp_path / "a" / "b" / "c", b"new")
    folder = f"{tmp_path}/a/b"
    assert seen[:2] == [str(tmp_path), f"{tmp_path}/a"]  # the names of the new folders
    assert seen[2].startswith(f"{folder}/.unfinished-")
    assert seen[3:] == ["moved", folder]


def test_write_puts_the_whole_content_on_the_disk(tmp_path, monkeypatch):
    sizes, fsync = [], os.fsync

    def note(handle):
        sizes.append(os.fstat(handle).st_size)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    files.write(tmp_path / "a", b"new")
    assert sizes[0] == 3


@pytest.mark.parametrize(
    ("code", "fails"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, True), (errno.EINVAL, False)],
)
def test_sync_fails_where_something_is_lost_only(tmp_path, monkeypatch, code, fails):
    def refuse(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    if fails:
        with pytest.raises(DiskError, match=f"cannot be written: {os.strerror(code)}"):
            files.sync(tmp_path)
    else:
        files.sync(tmp_path)


def test_remove_unfinished_leaves_the_runs_inside_alone(tmp_path):
    for name in ("images/.unfinished-a", ".unfinished-b", "cell/.unfinished-c", "images/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "cell" / "config.json").touch()
    files.remove_unfinished(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"cell/.unfinished-c", "cell/config.json", "images/d.png"}


@pytest.mark.parametrize("names", [[], [".lock", ".unfinished-a"]])
def test_is_free_counts_no_hidden_file_of_ours(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    assert files.is_free(tmp_path)
    (tmp_path / ".mine").touch()
    assert not files.is_free(tmp_path)
