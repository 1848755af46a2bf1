"""Keeping the memory that a step frees for the next one."""

import ctypes
import sys

# Parameters of glibc's mallopt, from its malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


def keep_freed() -> None:
    """Tells the C library to give nothing back to the system; without effect where it is not glibc.

    XLA asks for the memory of a step anew each time. What was given back in between comes again as
    zeroed pages, tens of thousands of page faults a step: a tenth of its time and more.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    settings = {_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 10**8}
    for name, value in settings.items():
        mallopt(name, value)
