"""What a reader must not do while it reads: open other files, write, or start anything.

Python tells an audit hook of these before they happen. Libraries in C open files unseen by it; what
they must not reach is told by the values that come back.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_STARTING = ("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn")
_STARTING += ("subprocess.Popen", "pty.spawn", "socket.connect", "ctypes.dlopen", "urllib.Request")
_CHANGING = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink")
_CHANGING += ("os.chmod", "os.truncate", "os.utime", "shutil.rmtree", "tempfile.mkstemp")
# What Python itself reads: its libraries and ours, when a function imports them.
_LIBRARIES = tuple(
    os.path.realpath(path)
    for path in {
        sys.prefix,
        sys.base_prefix,
        os.path.dirname(os.__file__),
        Path(__file__).parents[2],
    }
)
_SYSTEM = ("/proc/", "/sys/", "/etc/localtime", "/usr/share/zoneinfo")


class Guard:
    """Takes note of what is forbidden, inside `with guard.watching(folder)`."""

    def __init__(self):
        self.broken: list[str] = []
        self._folder: str | None = None
        sys.addaudithook(self._hook)

    @contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """Reading is allowed in the folder, and nothing else anywhere."""
        self.broken, self._folder = [], os.path.realpath(folder)
        try:
            yield
        finally:
            self._folder = None

    def _hook(self, event: str, arguments: tuple) -> None:
        if self._folder is None:
            return
        if event == "open":
            self._opened(*arguments)
        elif event in _STARTING or event in _CHANGING:
            self.broken.append(f"{event} {arguments!r:.200}")

    def _opened(self, path: object, mode: str | None, flags: int) -> None:
        if isinstance(path, int):
            return
        real = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if flags & _WRITING:
            self.broken.append(f"writes {real}")
        elif not _within(real, (self._folder or "", *_LIBRARIES)) and not real.startswith(_SYSTEM):
            self.broken.append(f"reads {real}")


def _within(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)
