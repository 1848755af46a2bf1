"""One process of a run: started, perhaps stopped at a moment, and what it said."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_DROP_BOUND, _OVERRIDE = 24, 1  # prctl's PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        group: of the process and its children.
        status: of its exit; minus the signal that it died of.
        seconds: that it lived.
        seen: what `look` saw just before the signal; "" if it ended before.
    """

    group: int
    status: int
    out: str
    err: str
    seconds: float
    seen: str = ""


class Life(NamedTuple):
    """A process of a campaign, and what is wrong after it.

    Attributes:
        blow: what was done to it: the name of a signal, "full disk", "read-only"; "" for nothing.
        phase: where that met it.
        found: what is wrong afterwards.
    """

    command: str
    blow: str
    phase: str
    seconds: float
    found: list[str]


def live(
    words: list[str],
    folder: Path,
    cache: Path,
    *,
    after: float | None = None,
    number: int = signal.SIGKILL,
    look: Callable[[Path], str] = lambda folder: "",
    act: Callable[[], None] | None = None,
) -> Ended:
    """Runs a command to its end, or until a moment.

    The process stands still while it is looked at, so that what is seen is what the signal finds.

    Args:
        cache: the folder of the program's cache.
        after: seconds from its start to the signal; it may end before.
        number: of the signal; Ctrl-C goes to its children too, as a terminal sends it.
        look: folder -> what to note of the moment.
        act: done at the moment instead of the signal; permissions hold for root, too, then.
    """
    begun = time.monotonic()
    # Into files: the end of a pipe would only come with the last of its children.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", f"experiments.{words[0]}", *words[1:], f"--workdir={folder}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            start_new_session=True,
            preexec_fn=_obey_permissions if act else None,
            env=os.environ | {"STYLEINV_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        seen = ""
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after if after is not None else 600)
            if after is not None and process.poll() is None:
                os.kill(process.pid, signal.SIGSTOP)
                seen = look(folder)
                if act:
                    act()
                elif number == signal.SIGINT:
                    os.killpg(process.pid, number)
                else:
                    os.kill(process.pid, number)
                os.kill(process.pid, signal.SIGCONT)
            process.wait(600)
        finally:
            process.kill()
        answers = []
        for file in (out, err):
            file.seek(0)
            answers.append(file.read())
    seconds = time.monotonic() - begun
    return Ended(process.pid, process.returncode, answers[0], answers[1], seconds, seen)


def outlived(groups: Iterable[int]) -> list[str]:
    """The processes of these that still run, a minute later."""
    alive, begun = set(groups), time.monotonic()
    while alive and time.monotonic() - begun < 60:
        for group in list(alive):
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                alive.remove(group)
        time.sleep(0.1)
    return [f"process group {group} still runs" for group in alive]


def mistakes(ended: Ended) -> list[str]:
    """What a process must never say; a Ctrl-C before it has begun is Python's to answer."""
    found = []
    early = "KeyboardInterrupt" in ended.err and ended.seen.startswith("start-up")
    if "Traceback" in ended.err and not early:
        found.append("a traceback: " + ended.err[-1500:])
    if "what was kept of compiled" in ended.err:
        found.append("a damaged entry in the compilation cache")
    return found


def _obey_permissions() -> None:
    """Root, too, writes into no folder that may not be written."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DROP_BOUND, _OVERRIDE, 0, 0, 0)
