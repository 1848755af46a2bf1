"""Writing that leaves either the old file or the whole new one, whatever happens."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from styleinv.errors import DiskError

LOCK = ".lock"  # see lock.py
# What the system says of a disk that is full or may not be written.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
UNFINISHED = ".unfinished-"  # beside a run; gone when it is finished


def write(path: Path, content: bytes) -> None:
    """Writes under a temporary name beside the file, then moves it into place, safe on the disk.

    Raises:
        DiskError: if the folder cannot be written or the disk is full; the old file is kept.
    """
    temporary = path.parent / f"{UNFINISHED}{os.urandom(8).hex()}"
    try:
        make_folder(path.parent)
        with open(temporary, "xb") as file:  # not `mkstemp`, whose files are for one user alone
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise DiskError(f"{path} cannot be written: {error.strerror}") from None
    sync(path.parent)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """See `write`."""
    write(path, (json.dumps(value, indent=2) + "\n").encode())


def make_folder(folder: Path) -> None:
    """Makes a folder and those that it is in, where they are not there, safe on the disk."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(new):
        sync(path.parent)


def sync(path: Path) -> None:
    """Puts a file, or the names in a folder, on the disk, where the system can do that.

    Raises:
        DiskError: if it is full or broken, which network disks say no earlier.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:  # otherwise: Windows opens no folder, and some disks sync none
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise DiskError(f"{path} cannot be written: {error.strerror}") from None


def remove_unfinished(folder: Path) -> None:
    """Removes what writers that were killed have left in a folder, not in the runs inside of it."""
    for path in _unfinished(folder):
        with suppress(OSError):
            path.unlink()


def is_free(folder: Path) -> bool:
    """Whether nothing is in a folder but what a killed run may leave before its first file."""
    return not any(_counts(path) for path in folder.iterdir())


def _counts(path: Path) -> bool:
    return path.name != LOCK and not path.name.startswith(UNFINISHED)


def _unfinished(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(UNFINISHED):
            yield path
        elif path.is_dir() and not (path / "config.json").is_file():
            yield from _unfinished(path)
