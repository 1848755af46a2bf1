"""Compiled functions are kept between runs, in the user's cache folder; and counted."""

import threading
from collections import Counter as Tally
from typing import NamedTuple

import jax

from styleinv.weights.cache import folder


def keep_compiled() -> None:
    """A second run in the same shapes compiles nothing."""
    jax.config.update("jax_compilation_cache_dir", str(folder() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


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
