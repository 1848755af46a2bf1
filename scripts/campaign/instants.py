"""The folder of a run as a kill would leave it, at every instant at which its files change.

What a killed process leaves is what it has handed to the system by then. So a copy of the folder,
taken while the run stands still between two file operations, is what a kill there would leave, and
the run can be resumed from each copy in the process that is already warm.
"""

import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree")
_watching: list[Callable[[str], None]] = []  # an audit hook cannot be taken out again
_hooked = False


@contextmanager
def watched(folder: Path, copies: Path) -> Iterator[None]:
    """Copies a folder to COPIES/NUMBER before each change of it, where it differs from the last.

    Changes are what Python does; what TensorStore writes in between is seen at the next of them.
    """
    global _hooked
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked = True
    inside, last = str(folder.absolute()), [{}]

    def note(path: str) -> None:
        if not path.startswith(inside) or not folder.is_dir():
            return
        now = {p: _state(p) for p in folder.rglob("*")}
        if now != last[0]:
            last[0] = now
            _watching.remove(note)  # copying makes files too
            copy = copies / f"{len(list(copies.iterdir())):04d}"
            shutil.copytree(folder, copy, copy_function=_copy)
            _watching.append(note)

    copies.mkdir()
    _watching.append(note)
    try:
        yield
    finally:
        _watching.remove(note)


def _hear(event: str, arguments: tuple) -> None:
    if not _watching:
        return
    opened = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in _CHANGES or opened:
        for note in list(_watching):
            note(str(arguments[0]))


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:  # TensorStore's threads do not stand still
        return 0, 0
    return found.st_mtime_ns, 0 if stat.S_ISDIR(found.st_mode) else found.st_size


def _copy(source: str, target: str) -> None:
    with suppress(FileNotFoundError):  # it has another name by now
        shutil.copy2(source, target)
