"""Positions of a run on disk, through Orbax: FOLDER/NUMBER/, the last two of them."""

import errno
import os
import re
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from styleinv.errors import DiskError
from styleinv.files import make_folder, sync

if TYPE_CHECKING:
    import orbax.checkpoint as ocp

_ROOM = 1 << 18  # bytes that a checkpoint takes besides its arrays, generously
_SUMS = "sums"  # in the JSON: of each array


class Checkpoint(NamedTuple):
    """What is kept.

    Attributes:
        number: steps done so far, rising.
        leaves: arrays.
        meta: JSON values.
    """

    number: int
    leaves: list[np.ndarray]
    meta: Mapping[str, Any]


class Checkpoints:
    """The open folder of them.

    Orbax is loaded when there is something for it to do: a new run takes its first steps without.
    """

    def __init__(self, folder: Path):
        make_folder(folder)
        self._folder = folder.resolve()

    @cached_property
    def _manager(self) -> "ocp.CheckpointManager":
        import orbax.checkpoint as ocp

        options = ocp.CheckpointManagerOptions(
            max_to_keep=2, enable_async_checkpointing=False, cleanup_tmp_directories=True
        )
        # To compress noise takes longer than to write it, and a second copy of it in memory.
        handlers = {
            "leaves": ocp.PyTreeCheckpointHandler(use_compression=False),
            "meta": ocp.JsonCheckpointHandler(),
        }
        return ocp.CheckpointManager(self._folder, options=options, item_handlers=handlers)

    def save(self, checkpoint: Checkpoint) -> None:
        """Keeps it; it is on the disk when this returns.

        Raises:
            DiskError: if it cannot be written; those before are kept.
        """
        import orbax.checkpoint as ocp

        number, leaves, meta = checkpoint
        arrays = {f"{i:03d}": leaf for i, leaf in enumerate(leaves)}
        items = ocp.args.Composite(
            leaves=ocp.args.PyTreeSave(arrays),
            meta=ocp.args.JsonSave(dict(meta) | {_SUMS: [_sum_of(leaf) for leaf in leaves]}),
        )
        path = self._folder / str(number)
        size = sum(leaf.nbytes for leaf in leaves)
        if shutil.disk_usage(self._folder).free < size + _ROOM:  # Orbax says it less clearly
            raise DiskError(f"{path} cannot be written: {os.strerror(errno.ENOSPC)}")
        before, sys.excepthook = sys.excepthook, _without_echo(sys.excepthook)
        try:
            self._manager.save(number, args=items, force=True)
            sys.excepthook = before
        except (OSError, ValueError) as error:
            time.sleep(0.3)  # TensorStore's threads print what they know until the program ends
            if reason := _reason(error):
                raise DiskError(f"{path} cannot be written: {reason}") from None
            raise
        for each in (*path.rglob("*"), path, self._folder):
            sync(each)

    def restore(self) -> tuple[Checkpoint | None, list[int]]:
        """The last one that can be read, and the numbers of damaged ones after it, now removed.

        Raises:
            Exception: of whatever kind, if there are some and none can be read.
        """
        if not last_number(self._folder):
            return None, []
        damaged = []
        for number in sorted(self._manager.all_steps(), reverse=True):
            try:
                found = self._read(number)
            except Exception:  # whatever a damaged file provokes, from whichever library
                damaged.append(number)
                continue
            for other in damaged:
                self._manager.delete(other)
            return found, damaged
        if damaged:
            self._read(damaged[0])
        return None, []

    def close(self) -> None:
        """Before the folder is removed, or the program ends."""
        if "_manager" in vars(self):
            self._manager.close()

    def _read(self, number: int) -> Checkpoint:
        import orbax.checkpoint as ocp

        items = ocp.args.Composite(leaves=ocp.args.PyTreeRestore(), meta=ocp.args.JsonRestore())
        restored = self._manager.restore(number, args=items)
        meta, named = restored["meta"], restored["leaves"]
        leaves = [np.asarray(named[key]) for key in sorted(named)]
        sums = [_sum_of(leaf) for leaf in leaves]
        if meta.pop(_SUMS, sums) != sums:
            raise ValueError(f"checkpoint {number} holds other numbers than were saved")
        return Checkpoint(number, leaves, meta)


def last_number(folder: Path) -> int:
    """Of the last checkpoint in a folder, 0 without any; without opening it."""
    found = folder.iterdir() if folder.is_dir() else ()
    return max((int(path.name) for path in found if path.name.isdecimal()), default=0)


def remove(folder: Path) -> None:
    """All of them, when they are of no more use; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)


def _sum_of(leaf: np.ndarray) -> int:
    """Of its bytes; another one if some are damaged."""
    return zlib.crc32(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)


def _without_echo(hook: Callable[..., object]) -> Callable[..., object]:
    """A hook for exceptions that nobody catches, deaf to TensorStore's threads.

    When a write fails, they report to an event loop that Orbax has closed by then, and each prints
    a traceback, some of them later. The failure itself is raised as usual.
    """

    def deaf(kind, value, trace):
        if str(value) != "Event loop is closed":
            hook(kind, value, trace)

    return deaf


def _reason(error: Exception) -> str:
    """Why the disk did not take it, in the system's words; "" if that was not the reason."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    code = re.search(r"os_error_code='(\d+)'", str(error))  # TensorStore's
    return os.strerror(int(code[1])) if code else ""
