"""Ctrl-C and SIGTERM as a question that a loop asks, so that it can end in a good place."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[Callable[[], int]]:
    """Yields a function: the number of the signal received, or 0.

    The signal only sets that number; a second Ctrl-C ends the program at once.
    """
    received = 0

    def note(number, _):
        nonlocal received
        received = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
