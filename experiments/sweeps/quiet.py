"""What runs inside a sweep say of themselves stays off the screen."""

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

LOG = logging.getLogger("styleinv")


@contextlib.contextmanager
def quiet(speaker: int | None = None) -> Iterator[list[str]]:
    """Yields the list of the warnings, to which new ones are added.

    Args:
        speaker: the thread that may still speak.
    """
    notes: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: notes.append(record.getMessage())
    LOG.addHandler(handler)
    before, LOG.propagate = LOG.propagate, False
    out, err = (_OneVoice(stream, speaker) for stream in (sys.stdout, sys.stderr))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield notes
    finally:
        LOG.propagate = before
        LOG.removeHandler(handler)


class _OneVoice(io.TextIOBase):
    """A stream that one thread reaches; what others write is lost."""

    def __init__(self, stream: TextIO, speaker: int | None):
        self._stream, self._speaker = stream, speaker

    def write(self, text: str) -> int:
        if threading.get_ident() == self._speaker:
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return threading.get_ident() == self._speaker and self._stream.isatty()
