"""One run at a time in a folder, with a real second process."""

import errno
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments import learn_style, sweep, transfer, verify
from styleinv import lock
from styleinv.errors import DiskError, InputError

ROOT = Path(__file__).resolve().parents[1]
# Holds the lock of a folder until its input ends.
PROGRAM = """
import sys
from pathlib import Path
from styleinv import lock

with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of tmp_path/run."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def try_to_hold(folder, **options):
    with lock.hold(folder, **options):
        assert (folder / ".lock").is_file()


def test_hold_refuses_what_another_process_holds_and_names_it(other, tmp_path):
    message = f"run) is in use by process {other.pid} on {platform.node()}; wait for it"
    with pytest.raises(InputError, match=re.escape(message)):
        try_to_hold(tmp_path / "run")


def test_hold_leaves_no_file_behind(other, tmp_path):
    other.communicate("")
    assert list((tmp_path / "run").iterdir()) == []
    try_to_hold(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_hold_names_itself_over_a_longer_name(tmp_path):
    (tmp_path / ".lock").write_text("process 1 on " + 99 * "x")
    with lock.hold(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"process {os.getpid()} on {platform.node()}"


def test_hold_of_a_killed_process_is_no_lock(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / "run" / ".lock").is_file()  # a small file, and nothing more
    lock.refuse_held(tmp_path / "run")
    try_to_hold(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_hold_waits_as_long_as_it_is_told(other, tmp_path):
    release = threading.Timer(0.5, other.send_signal, [signal.SIGKILL])
    release.start()
    try_to_hold(tmp_path / "run", patience=20)
    release.join()


def test_hold_waits_no_longer_when_stopped(other, tmp_path):
    started = time.monotonic()
    with pytest.raises(InputError, match="in use"):
        try_to_hold(tmp_path / "run", patience=20, stop=lambda: signal.SIGTERM)
    assert time.monotonic() - started < 5


def test_hold_is_one_per_folder_in_this_process_too(tmp_path):
    with lock.hold(tmp_path / "a"), lock.hold(tmp_path / "a" / "inside"):
        with pytest.raises(InputError, match=f"process {os.getpid()} "):
            try_to_hold(tmp_path / "a")
        assert (tmp_path / "a" / ".lock").is_file()


def test_hold_never_lets_two_in(tmp_path):
    """Releasing removes the file, which others may have open by then."""
    inside, most, entered = [0], [0], [0]

    def enter():
        for _ in range(30):
            with lock.hold(tmp_path, patience=20):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                entered[0] += 1
                time.sleep(0)
                inside[0] -= 1

    waiting = lock._POLL
    threads = [threading.Thread(target=enter) for _ in range(3)]
    try:
        lock._POLL = 0.001
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        lock._POLL = waiting
    assert (most, entered) == ([1], [90])


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_hold_on_a_disk_without_locks_warns(tmp_path, monkeypatch, caplog, code):
    fcntl = pytest.importorskip("fcntl")

    def none(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    with lock.hold(tmp_path):
        pass
    assert "is on a disk without locks: let no other run work there" in caplog.text


def test_hold_of_a_folder_that_cannot_be_written_is_answered(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="file/run cannot be written: Not a directory"):
        try_to_hold(tmp_path / "file" / "run")


@pytest.mark.parametrize("experiment", [learn_style, transfer, sweep, verify])
def test_a_run_is_refused_where_another_is_at_work(other, command, tmp_path, capsys, experiment):
    picture = ROOT / "data" / "anime" / "01.jpg"
    words = {
        learn_style: ["--config=anime"],
        transfer: ["--config=transfer", f"--config.content={picture}"],
        sweep: ["--config=anime", "--grid=seed=0,1"],
        verify: ["--config=verify"],
    }[experiment]
    before = (tmp_path / "run" / ".lock").read_bytes()
    assert command(experiment, [*words, f"--workdir={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(
        rf"error: --workdir \(=\S+\) is in use by process {other.pid} on .*\n", error
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    assert (tmp_path / "run" / ".lock").read_bytes() == before


def test_a_run_goes_on_in_a_folder_where_one_was_killed_before_its_first_file(
    other, learn, tmp_path, pictures
):
    other.send_signal(signal.SIGKILL)
    other.wait()
    (tmp_path / "run" / ".unfinished-a1b2c3").write_text("half of config.j")
    words = ["--config=anime", "--config.network.weights=random", "--config.style.layers=relu1_1"]
    words += [f"--config.dataset={pictures}", "--config.resolution=32", "--config.steps=1"]
    assert learn([*words, f"--workdir={tmp_path / 'run'}"]) == 0
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
