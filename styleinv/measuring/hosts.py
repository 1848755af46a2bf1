"""Several processes at one pass, on one host or many: who is there, and whether all still are.

JAX's distributed runtime brings them together and numbers them (by a coordinator's address, or by
itself under Slurm, Open MPI and on TPU pods). It is left again once all have met: no number is ever
exchanged but through the folder that they share, and with JAX a process that dies would end the
others with a core dump instead of a line. From then on each shows in that folder that it lives.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from styleinv import files
from styleinv.errors import InputError, reason_of

_BEAT = 1.0  # seconds between two signs of life
_AGAIN = (
    "; start all of them again, or as many as there are, with the same --workdir: "
    "what was measured is kept"
)
WORKING, READY, FINISHED, FAILED = "working", "ready", "finished", "failed"


class Place(NamedTuple):
    """Which of how many processes this one is."""

    process: int
    processes: int

    def __str__(self) -> str:
        return f"process {self.process} of {self.processes}"


class Launch(NamedTuple):
    """How the processes find each other: HOST:PORT of the first, how many, which; or by itself."""

    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None


class Hosts:
    """The other processes, as this one sees them; made by `join`.

    Args:
        folder: that all of them share.
        patience: seconds without a sign of life after which a process is given up.
    """

    def __init__(self, folder: Path, place: Place, patience: float):
        self._folder, self.place, self._patience = folder, place, patience
        self._state, self._reason, self._beat = WORKING, "", 0
        self._writing = threading.Lock()
        self._seen: dict[int, tuple[Any, float]] = {}

    def show(self, state: str = "", reason: str = "") -> None:
        """A sign of life. Who has finished or failed has nothing more to say."""
        if self.place.processes == 1:
            return
        with self._writing:
            if self._state in (FINISHED, FAILED):
                return
            self._state, self._reason = state or self._state, reason
            self._beat += 1
            beat = [os.getpid(), self._beat]
            sign = {"beat": beat, "state": self._state, "reason": self._reason}
            files.write(self._path(self.place.process), json.dumps(sign).encode())

    def lost(self) -> str:
        """Which other process failed or died, and why, in a line; or ""."""
        for process in range(self.place.processes):
            if process == self.place.process:
                continue
            sign, now = self._read(process), time.monotonic()
            if sign and sign["state"] == FINISHED:
                continue
            other = Place(process, self.place.processes)
            if sign and sign["state"] == FAILED:
                return f"{other} stopped: {sign['reason']}"
            beat = sign and sign["beat"]
            before, since = self._seen.setdefault(process, (beat, now))
            if beat != before:
                self._seen[process] = beat, now
            elif now - since > self._patience:
                return f"{other} has died: no sign of life for {self._patience:g} seconds"
        return ""

    def refuse_lost(self) -> None:
        """Raises an InputError if another process is lost."""
        if why := self.lost():
            raise InputError(why + _AGAIN)

    def wait(self, state: str, processes: range, stop: Callable[[], int]) -> bool:
        """Waits until so many others are in a state, or finished; False if stopped.

        Raises:
            InputError: if one of them is lost.
        """
        while not all(self._is(process, state) for process in processes):
            self.refuse_lost()
            if stop():
                return False
            time.sleep(_BEAT / 4)
        return True

    def _is(self, process: int, state: str) -> bool:
        sign = self._read(process)
        return bool(sign) and sign["state"] in (state, FINISHED)

    def _read(self, process: int) -> dict[str, Any] | None:
        try:
            return json.loads(self._path(process).read_text())
        except (OSError, ValueError):
            return None

    def _path(self, process: int) -> Path:
        return self._folder / f"{files.UNFINISHED}process-{process}.json"


@contextmanager
def join(folder: Path, launch: Launch | None, patience: float) -> Iterator[Hosts]:
    """Waits for all processes, before any other use of JAX; None: this one is alone.

    Inside, the others see that this one lives; at the end, that it has finished, or why it failed.

    Raises:
        InputError: if they do not come together within five minutes.
    """
    hosts = _meet(folder, launch, patience) if launch else Hosts(folder, Place(0, 1), patience)
    over = threading.Event()

    def live() -> None:
        while not over.wait(_BEAT):
            with suppress(InputError):  # a full disk is for the work to find out
                hosts.show()

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield hosts
        hosts.show(FINISHED)
    except BaseException as error:
        with suppress(InputError):
            hosts.show(FAILED, str(error).removesuffix(_AGAIN) or type(error).__name__)
        raise
    finally:
        over.set()
        thread.join()


def _meet(folder: Path, launch: Launch, patience: float) -> Hosts:
    import jax

    try:
        jax.distributed.initialize(*launch)
        hosts = Hosts(folder, Place(jax.process_index(), jax.process_count()), patience)
        hosts.show()  # over the sign of an earlier run, before any other looks at it
        jax.distributed.shutdown()  # once all are there
    except (RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = reason_of(error, 300)
        raise InputError(f"the processes do not come together: {reason}") from None
    return hosts
