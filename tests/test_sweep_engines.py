"""Sweeps in processes of their own: stopped, killed, spread over workers and over a Ray cluster."""

import contextlib
import csv
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from words import SMALL

from experiments import sweep

ROOT = Path(__file__).resolve().parents[1]
WORDS = [*SMALL, "--config.dataset.size=1", "--config.checkpoint_every=10"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture
def begin(tmp_path):
    """A function: cells by their steps, words -> the process of a sweep, just started."""
    started = []

    def start(steps, *words, **environment):
        flags = [*WORDS, f"--grid=steps={steps}", f"--workdir={tmp_path / 'sweep'}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.sweep", *flags, *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def lines(folder, steps):
    path = folder / "cells" / f"steps-{steps}" / "metrics.jsonl"
    return path.read_text().splitlines() if path.is_file() else []


def wait_for(condition, process):
    """What it is once it holds; fails if the sweep ends first."""
    for _ in range(3000):
        if found := condition():
            return found
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pytest.fail("waited in vain")


def statuses(folder):
    rows = csv.DictReader((folder / "metrics.csv").read_text().splitlines())
    return [row["status"] for row in rows]


def finish(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out + err


def assert_goes_on(folder, steps, before):
    """The cell was at work when it was killed, and went on from a checkpoint after it."""
    after = lines(folder, steps)
    assert 10 <= len(before) < steps
    assert after[:10] == before[:10]  # to the millisecond that it took: not done again
    assert [json.loads(line)["step"] for line in after] == list(range(1, steps + 1))


def descendants(pid):
    """The ids of the processes that it started, and those that these started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found - {pid}


def at_work(folder, pids):
    """(id, steps) of the first of these processes that is at a cell, past its first checkpoint."""
    for pid in pids:
        with contextlib.suppress(OSError):
            for file in Path(f"/proc/{pid}/fd").iterdir():
                opened = os.readlink(file)
                steps = re.search(r"steps-(\d+)/metrics.jsonl$", opened)
                if steps and 12 <= len(lines(folder, steps[1])) < int(steps[1]) // 2:
                    return pid, int(steps[1])
    return None


def command_line(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


@pytest.mark.parametrize("words", [[], ["--workers=1"]], ids=["here", "pool"])
def test_sweep_interrupted_says_how_to_go_on_and_does(begin, command, tmp_path, capsys, words):
    folder = tmp_path / "sweep"
    process = begin("3,200,4", *words)
    wait_for(lambda: len(lines(folder, 200)) >= 12, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    again = re.search(r"stopped; to go on: python -m experiments.sweep (.*--workdir=.*)", out)
    assert statuses(folder) == ["finished", "interrupted", "waiting"]
    assert "waiting" in (folder / "report.html").read_text()
    before, done = lines(folder, 200), (folder / "cells" / "steps-3" / "run.json").read_bytes()
    assert command(sweep, [word for word in shlex.split(again[1]) if word not in words]) == 0
    assert "2/3 steps-200" in capsys.readouterr().err
    assert statuses(folder) == ["finished"] * 3
    assert (folder / "cells" / "steps-3" / "run.json").read_bytes() == done
    assert lines(folder, 200)[: len(before)] == before
    assert len(lines(folder, 200)) == 200


def test_sweep_killed_worker_costs_its_cell_a_second_try(begin, tmp_path):
    folder = tmp_path / "sweep"
    process = begin("200,201,3", "--workers=2")
    worker, steps = wait_for(lambda: at_work(folder, descendants(process.pid)), process)
    workers = [pid for pid in descendants(process.pid) if "spawn_main" in command_line(pid)]
    os.kill(worker, signal.SIGKILL)
    before = lines(folder, steps)
    assert "3/3" in finish(process)
    assert len(workers) == 2
    assert worker in workers
    assert statuses(folder) == ["finished"] * 3
    assert_goes_on(folder, steps, before)


def test_sweep_spreads_its_cells_over_the_devices(begin, tmp_path):
    """Two that differ in nothing that is seen, so that each device must give the same picture."""
    flags = "--xla_force_host_platform_device_count=2"
    said = finish(begin("3", "--grid=snapshots=7,8", XLA_FLAGS=flags))
    assert "weights random" in said  # of all that the cells say, only what they warn of
    assert "learning" not in said
    cells = list((tmp_path / "sweep/cells").iterdir())
    used = [json.loads((cell / "run.json").read_text())["device"] for cell in cells]
    assert sorted(used) == [f"2 x cpu (cpu), number {i}" for i in range(2)]
    assert len({(cell / "style.png").read_bytes() for cell in cells}) == 1


def test_devices_take_no_more_cells_once_nobody_asks_for_them(monkeypatch):
    import jax

    from experiments.sweeps.cell import Job, Outcome, Runner
    from experiments.sweeps.engines import devices

    begun = []

    def attempt(runner, job, stop, *_):
        begun.append(job.slug)
        for _ in range(200):
            if job.slug == "a" or stop():
                break
            time.sleep(0.01)
        return Outcome(job.slug, "stopped")

    monkeypatch.setattr(Runner, "_attempt", attempt)
    jobs = [Job(slug, "learn_style", (), "") for slug in "abcdefgh"]
    outcomes = devices.engine(jax.local_devices()[:1] * 2)(jobs, lambda: 0)
    assert next(outcomes).slug == "a"
    outcomes.close()
    assert set(begun) <= set("abc")


def test_devices_say_nothing_of_cells_that_were_not_begun(monkeypatch):
    import jax

    from experiments.sweeps.cell import Job, Outcome, Runner
    from experiments.sweeps.engines import devices

    stopped = []

    def attempt(runner, job, *_):
        stopped.append(job.slug)
        return Outcome(job.slug, "stopped")

    monkeypatch.setattr(Runner, "_attempt", attempt)
    jobs = [Job(slug, "learn_style", (), "") for slug in "abcd"]
    outcomes = list(devices.engine(jax.local_devices()[:1])(jobs, lambda: len(stopped)))
    assert [outcome.slug for outcome in outcomes] == stopped == ["a"]


def test_sweep_worker_that_always_dies_is_a_failed_cell(tmp_path):
    from experiments.sweeps.cell import Job
    from experiments.sweeps.engines import pool

    class Deadly(str):
        def __reduce__(self):
            return os._exit, (3,)

    jobs = [Job(Deadly("a"), "learn_style", (), ""), Job("b", "learn_style", (), str(tmp_path))]
    found = {outcome.slug: outcome for outcome in pool.engine(1)(jobs, lambda: 0)}
    assert found["a"].status == "failed"
    assert found["a"].reason == "its process died 2 times, the last time with status 3"
    assert "--config=NAME is missing" in found["b"].reason


@pytest.mark.parametrize(
    ("cores", "workers", "shares"),
    [
        ({0, 1}, 2, [[0], [1]]),
        ({2, 3, 5, 7, 9}, 2, [[2, 3], [5, 7]]),  # as many for each: a cell is the same in both
        ({4, 6}, 3, [[4], [6], [4]]),
        ({1, 2, 3}, 1, [[1, 2, 3]]),
    ],
)
def test_shares_are_equal(monkeypatch, cores, workers, shares):
    from experiments.sweeps.engines import pool

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    assert pool._shares(workers) == shares


@pytest.fixture
def nodes():
    """A Ray cluster of two nodes on this machine: its environment, and what kills the second."""
    if not importlib.util.find_spec("ray"):
        pytest.skip("Ray is not installed")
    port = free_port()
    place, started = tempfile.mkdtemp(prefix="ray"), []  # short: a socket's path has 107 letters
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(24).hex()}
    own |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": f"127.0.0.1:{port}"}
    own |= {"RAY_health_check_period_ms": "500"}  # to see sooner that a node is dead
    environment = {k: v for k, v in (os.environ | own).items() if k != "RAY_ADDRESS"}

    def start(*words):
        flags = ["--block", "--num-cpus=1", "--num-gpus=0", "--node-ip-address=127.0.0.1"]
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *flags, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        started.append(process)
        return process

    def kill(process):
        for pid in [process.pid, *descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    start("--head", f"--port={port}", f"--temp-dir={place}", "--include-dashboard=false")
    until_open(port)
    second = start(f"--address=127.0.0.1:{port}")
    yield own, second, kill
    for process in reversed(started):
        kill(process)
    shutil.rmtree(place, ignore_errors=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until_open(port):
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    pytest.fail("Ray does not start")


def test_sweep_on_ray_outlives_a_node(begin, nodes, tmp_path):
    environment, second, kill = nodes
    folder = tmp_path / "sweep"

    wait_for(lambda: any("raylet" in command_line(pid) for pid in descendants(second.pid)), second)
    process = begin("200,201,202", "--engine=ray", "--workers=2", **environment)
    _, steps = wait_for(lambda: at_work(folder, descendants(second.pid)), process)
    kill(second)
    before = lines(folder, steps)
    assert "3/3" in finish(process)
    assert statuses(folder) == ["finished"] * 3
    assert_goes_on(folder, steps, before)


def test_sweep_without_a_cluster_is_one_line(begin):
    if not importlib.util.find_spec("ray"):
        pytest.skip("Ray is not installed")
    process = begin("3", "--engine=ray", f"--address=127.0.0.1:{free_port()}")
    _, err = process.communicate()
    assert process.returncode == 2
    assert "no Ray cluster at 127.0.0.1:" in err.splitlines()[-1]
