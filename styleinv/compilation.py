"""Compiled functions are kept between runs, in the user's cache folder; and counted."""

import jax

from styleinv.weights.cache import folder


def keep_compiled() -> None:
    """A second run in the same shapes compiles nothing."""
    jax.config.update("jax_compilation_cache_dir", str(folder() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


class Counter:
    """Counts, from when it is made, what this process did not have in its memory.

    JAX keeps every listener, so that one counter is for the life of a process.

    Attributes:
        compiled: functions, single array operations among them.
        read: those that were read from the cache on disk instead.
    """

    def __init__(self):
        self._asked = 0
        self.read = 0
        jax.monitoring.register_event_duration_secs_listener(self._note_asked)
        jax.monitoring.register_event_listener(self._note_read)

    @property
    def compiled(self) -> int:
        return self._asked - self.read

    def _note_asked(self, event: str, *_, **__) -> None:
        self._asked += event == "/jax/core/compile/backend_compile_duration"

    def _note_read(self, event: str, **_) -> None:
        self.read += event == "/jax/compilation_cache/cache_hits"
