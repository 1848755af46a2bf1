"""Writing that leaves either the old file or the whole new one, whatever happens."""

import os
import tempfile
from pathlib import Path

from styleinv.errors import InputError


def write(path: Path, content: bytes) -> None:
    """Writes under a temporary name beside the file, then moves it into place.

    Raises:
        InputError: if the folder cannot be written or the disk is full; the old file is kept.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
