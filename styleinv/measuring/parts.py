"""The folder with the parts of a pass: it goes on from there, with any number of processes.

    inherited.safetensors   what was known when this generation of processes began
    part-0.safetensors ...  what each of them has added, of its share of the rest

Processes of the same number go on with their own parts, and end in the same bytes as if nothing had
stopped them. For another number of processes, all that is there is inherited, and the rest is dealt
anew.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from styleinv.errors import InputError
from styleinv.measuring import part as part_file
from styleinv.measuring.part import Part
from styleinv.measuring.sums import Sums


class Kind(NamedTuple):
    """What is passed over.

    Attributes:
        empty: makes the sums of nothing.
        count: of the dataset's items.
        key: tells the dataset from others.
    """

    empty: Callable[[], Sums]
    count: int
    key: str

    def nothing(self) -> Part:
        """The part that every part begins as."""
        return Part(self.empty(), self.count)


def begin(folder: Path, kind: Kind, processes: int) -> None:
    """Looks at what is there, and inherits it if need be: done once, before any `Parts`.

    Raises:
        InputError: if it is damaged, or of another dataset.
    """
    inherited, generation, before = _read_inherited(folder, kind)
    if before == processes:
        return
    for process in range(before):
        if found := _read(folder, kind, process, generation):
            inherited.add(found)
    told = {"key": kind.key, "generation": generation + 1, "processes": processes}
    part_file.save(folder / "inherited.safetensors", inherited, told)
    for old in folder.glob("part-*.safetensors"):
        old.unlink()


class Parts:
    """As one of the processes sees them, after `begin`."""

    def __init__(self, folder: Path, kind: Kind):
        self._folder, self._kind = folder, kind
        inherited, self._generation, self._processes = _read_inherited(folder, kind)
        self._todo = inherited.todo

    def mine(self, process: int) -> tuple[Part, np.ndarray]:
        """A process's part as it stands, and the indices of its whole share, rising."""
        found = _read(self._folder, self._kind, process, self._generation)
        return found or self._kind.nothing(), self._todo[process :: self._processes]

    def save(self, process: int, part: Part) -> None:
        """Keeps a process's part, in one move."""
        told = {"key": self._kind.key, "generation": self._generation}
        part_file.save(_path(self._folder, process), part, told)

    def total(self) -> Part:
        """All that there is, added up in the order of the processes."""
        total, *_ = _read_inherited(self._folder, self._kind)
        for process in range(self._processes):
            if found := _read(self._folder, self._kind, process, self._generation):
                total.add(found)
        return total

    def remove(self) -> None:
        """Leaves nothing of them."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _path(folder: Path, process: int) -> Path:
    return folder / f"part-{process}.safetensors"


def _read_inherited(folder: Path, kind: Kind) -> tuple[Part, int, int]:
    """(what is inherited, the generation, its number of processes)."""
    path = folder / "inherited.safetensors"
    if not path.is_file():
        return kind.nothing(), 0, 0
    found, told = _load(path, kind)
    return found, int(told["generation"]), int(told["processes"])


def _read(folder: Path, kind: Kind, process: int, generation: int) -> Part | None:
    """A process's part; None if there is none of this generation."""
    path = _path(folder, process)
    if not path.is_file():
        return None
    found, told = _load(path, kind)
    return found if told["generation"] == generation else None


def _load(path: Path, kind: Kind) -> tuple[Part, dict]:
    found, told = part_file.load(path, kind.nothing())
    if told["key"] != kind.key:
        raise InputError(f"{path} is of other images than there are now; name a new --workdir")
    return found, told
