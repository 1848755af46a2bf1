"""The folder that an input is laid into: files, and what else a folder may hold."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Link(NamedTuple):
    """A symbolic link."""

    target: str


class Pipe(NamedTuple):
    """A pipe with a name, which a reader waits at for ever."""


class Sparse(NamedTuple):
    """A file of so many bytes, all zero, that takes no room on the disk."""

    size: int


Content = bytes | Link | Pipe | Sparse


def lay(folder: Path, files: Mapping[str, Content]) -> None:
    """Makes the folder with those files in it, {path in the folder: content}."""
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case bytes():
                path.write_bytes(content)
            case Link(target):
                path.symlink_to(target)
            case Pipe():
                os.mkfifo(path)
            case Sparse(size):
                path.touch()
                os.truncate(path, size)


def clear(folder: Path) -> None:
    """Removes the folder, if it is there; what its links lead to stays."""
    for parent, folders, names in os.walk(folder, topdown=False):
        for name in [*folders, *names]:
            path = os.path.join(parent, name)
            (os.rmdir if stat.S_ISDIR(os.lstat(path).st_mode) else os.unlink)(path)
    if folder.exists():
        folder.rmdir()


def tree(folder: Path) -> set[tuple[str, int, int]]:
    """{(path, size, time of the last change)} of all that is in the folder, links not followed."""
    found = set()
    for parent, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = os.path.join(parent, name)
            about = os.lstat(path)
            found.add((path, about.st_size, about.st_mtime_ns))
    return found
