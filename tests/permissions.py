"""Files and folders that may not be read or written, by root neither."""

import ctypes
import os
from contextlib import contextmanager


@contextmanager
def obedient():
    """Takes from root, for this thread and a while, the right to pass over permissions."""
    if not hasattr(os, "geteuid") or os.geteuid():
        yield
        return
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    before = data[0]
    data[0] &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, data) == 0
    try:
        yield
    finally:
        data[0] = before
        assert libc.capset(header, data) == 0


@contextmanager
def locked(folder):
    """Nobody sees what is in a folder."""
    folder.chmod(0)
    try:
        with obedient():
            yield
    finally:
        folder.chmod(0o755)
