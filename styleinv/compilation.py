"""Compiled functions are kept between runs, in the user's cache folder; and counted."""

import logging
import re
import threading
import warnings
from collections import Counter as Tally
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from styleinv.weights.cache import folder

LOG = logging.getLogger("styleinv")
_DAMAGED = re.compile(r"Error reading persistent compilation cache entry for '(\w+)'")


def keep_compiled() -> None:
    """A second run in the same shapes compiles nothing."""
    jax.config.update("jax_compilation_cache_dir", str(_compiled()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    if getattr(warnings.showwarning, "func", None) is not _mend:
        warnings.showwarning = partial(_mend, warnings.showwarning)


def _compiled() -> Path:
    return folder() / "compiled"


def _mend(show: Callable[..., object], message: Warning | str, *rest: Any) -> None:
    """Shows a warning, unless it is JAX's of a damaged entry: that one is removed.

    JAX compiles the function anew then, but puts it in place of no file that is there: every later
    process would warn and compile again. It tells the function's name, not which of its entries.
    """
    damaged = _DAMAGED.match(str(message))
    if not damaged:
        show(message, *rest)
        return
    LOG.warning("what was kept of compiled %s is damaged, and is made anew", damaged[1])
    for entry in _compiled().glob(f"{damaged[1]}-*-cache"):
        entry.unlink(missing_ok=True)


class Count(NamedTuple):
    """What a process did not have in its memory.

    Attributes:
        compiled: functions, single array operations among them.
        read: those that were read from the cache on disk instead.
    """

    compiled: int
    read: int

    def since(self, before: "Count") -> "Count":
        return Count(self.compiled - before.compiled, self.read - before.read)


class Counter:
    """Counts from when it is made, each thread for itself.

    JAX keeps every listener, so that one counter is for the life of a process.
    """

    def __init__(self):
        self._asked, self._read = Tally[int](), Tally[int]()
        jax.monitoring.register_event_duration_secs_listener(self._note_asked)
        jax.monitoring.register_event_listener(self._note_read)

    def of_all(self) -> Count:
        """Of all threads."""
        return Count(self._asked.total() - self._read.total(), self._read.total())

    def of_thread(self) -> Count:
        """Of the calling thread."""
        asked, read = self._asked[threading.get_ident()], self._read[threading.get_ident()]
        return Count(asked - read, read)

    def _note_asked(self, event: str, *_, **__) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self._asked[threading.get_ident()] += 1

    def _note_read(self, event: str, **_) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            self._read[threading.get_ident()] += 1
