"""One run at a time in a folder: a lock that ends with its process, however that ends.

The operating system holds it (flock, LockFileEx), on an open file that says who has it; so a killed
process leaves a small file, and no lock. NFS passes it on to its server.
"""

import errno
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from styleinv.errors import DiskError, InputError
from styleinv.files import LOCK, make_folder

LOG = logging.getLogger("styleinv")
_POLL = 0.2  # seconds
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def hold(
    folder: Path, patience: float = 0, stop: Callable[[], object] = lambda: False
) -> Iterator[None]:
    """Holds the lock of a folder, which is made if need be. On a disk without locks, a warning.

    Args:
        patience: seconds to wait for another that holds it.
        stop: ends the waiting when true.

    Raises:
        InputError: naming the holder, if another process, or another part of this one, has it.
        DiskError: if the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK
    lock = FileLock(
        path, thread_local=False, fallback_to_soft=False, preserve_lock_file=True, on_acquired=_sign
    )
    try:
        make_folder(folder)
        lock.acquire(timeout=patience, poll_interval=_POLL, cancel_check=lambda: bool(stop()))
    except Timeout:
        raise InputError(
            f"--workdir (={folder}) is in use by {_holder(path)}; wait for it, or name a new folder"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise DiskError(f"{folder} cannot be written: {error.strerror}") from None
        LOG.warning("%s is on a disk without locks: let no other run work there", folder)
    try:
        yield
    finally:
        with suppress(OSError):  # before the lock is given up: afterwards it may be another's
            path.unlink()
        lock.release()


def refuse_held(folder: Path, patience: float = 0) -> None:
    """Raises an InputError if another holds the lock of a folder: for an early answer.

    The file of a process that was killed goes, where it can be removed.

    Args:
        patience: as for `hold`.
    """
    if (folder / LOCK).exists():
        with suppress(DiskError), hold(folder, patience):
            pass


def _sign(descriptor: int) -> None:
    """Writes who holds the lock into its file; without room for that, nobody is named."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())


def _holder(path: Path) -> str:
    with suppress(OSError):
        for _ in range(10):  # it signs just after it has the lock
            if name := path.read_text("utf-8", "replace").strip()[:200]:
                return name
            time.sleep(0.01)
    return "another run"
