"""The cells of a sweep on a Ray cluster, one task each.

A task whose node or process dies is run again elsewhere, by Ray, and goes on from its checkpoint:
so the sweep's folder must be on a disk that all nodes share, and the program and the pictures at
the same paths on each.
"""

import functools
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.sweeps.cell import Job, Outcome, Runner
from experiments.sweeps.engines import Engine
from styleinv.errors import InputError

TRIES = 4


def engine(address: str, at_once: int) -> Engine:
    """An engine on a cluster; connected when this returns.

    Args:
        address: "" for RAY_ADDRESS or else a cluster of this machine alone, for as long as we run.
        at_once: cells at a time in all; 0 for one on each node.

    Raises:
        InputError: if Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError:
        raise InputError("--engine=ray needs Ray: pip install ray") from None
    address = address or os.environ.get("RAY_ADDRESS", "") or "local"
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    quiet |= {"include_dashboard": False} if address == "local" else {}
    try:
        _knock(address)
        ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError, RayError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"no Ray cluster at {address}: {reason}") from None
    return functools.partial(_run, at_once)


def _knock(address: str) -> None:
    """Raises an OSError where nobody listens: Ray itself would wait for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        with socket.create_connection((host, int(port)), timeout=10):
            pass


def _run(at_once: int, jobs: Sequence[Job], stop: Callable[[], int]) -> Iterator[Outcome]:
    import ray
    from ray.exceptions import RayError

    if not jobs:
        return
    # Seen by every node, since the folder is: a signal only reaches this process.
    flag = Path(jobs[0].folder).absolute().parent / ".stop"
    flag.unlink(missing_ok=True)
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    task = ray.remote(_work).options(
        num_cpus=1, num_gpus=gpus, max_retries=TRIES - 1, scheduling_strategy="SPREAD"
    )
    left, pending = deque(jobs), {}
    try:
        while pending or (left and not stop()):
            if stop() and not flag.exists():
                flag.parent.mkdir(parents=True, exist_ok=True)
                flag.touch()
            room = at_once or sum(node["Alive"] for node in ray.nodes())
            while left and not stop() and len(pending) < room:
                job = left.popleft()
                pending[task.remote(job, str(flag), os.getcwd())] = job
            for reference in ray.wait(list(pending), timeout=0.5)[0]:
                job = pending.pop(reference)
                try:
                    yield ray.get(reference)
                except RayError as error:
                    reason = f"{type(error).__name__}: its process died {TRIES} times"
                    yield Outcome(job.slug, "failed", reason, str(error))
    finally:
        ray.shutdown()
        flag.unlink(missing_ok=True)


@functools.cache
def _runner() -> Runner:
    """Of this worker: Ray gives a process one task after the other."""
    return Runner()


def _work(job: Job, flag: str, place: str) -> Outcome:
    os.chdir(place)  # paths are those of the command line

    def stop():
        return signal.SIGTERM if Path(flag).exists() else 0

    return _runner().run(job, stop)
