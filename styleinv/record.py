"""A run's folder: what was asked, what happened, what came out, and where to go on.

    config.json  run.json  metrics.jsonl  results.json  images/  checkpoints/

Whenever the program stops, the folder is one that resumes.
"""

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from styleinv import checkpoints, files, images
from styleinv.checkpoints import Checkpoint, Checkpoints
from styleinv.errors import DiskError, InputError, reading
from styleinv.journal import read_json, refuse_changed
from styleinv.synthesize import Position
from styleinv.tensorboard import Events

LOG = logging.getLogger("styleinv")
_APART = "apart"  # the folder of pictures that are worked on at the same time
# Of checkpoints: another one where parameters, or what a solver keeps, mean something else.
_FORMAT = 2


def default_folder(experiment: str, config: str) -> Path:
    """runs/EXPERIMENT/CONFIG/TIME."""
    return Path("runs", experiment, config, datetime.now().strftime("%Y%m%d-%H%M%S"))


def finished(folder: Path) -> bool:
    """Whether the folder holds a run that came to its end."""
    path = folder / "run.json"
    return path.is_file() and read_json(path).get("status") == "finished"


def belongs(folder: Path, experiment: str, config: Mapping[str, Any]) -> None:
    """Raises an InputError unless the folder is free or holds a run of this very config."""
    with reading(f"--workdir (={folder})"):
        if not folder.exists() or (folder.is_dir() and files.is_free(folder)):
            return
        if not folder.is_dir():
            raise InputError(f"--workdir (={folder}) is a file; name a folder")
        if not (folder / "config.json").is_file():
            raise InputError(f"--workdir (={folder}) holds files but no run; name a new folder")
    path = folder / "run.json"
    other = read_json(path).get("experiment", experiment) if path.is_file() else experiment
    if other != experiment:
        raise InputError(
            f"--workdir (={folder}) holds a run of {other}, not {experiment}; name a new folder"
        )
    before = read_json(folder / "config.json")
    refuse_changed(f"--workdir (={folder}) holds a run", before, config)


def kept(folder: Path) -> str:
    """What a run that could not go on has safe in its folder."""
    if finished(folder):
        return "its results are kept"
    steps = checkpoints.last_number(folder / "checkpoints")
    if not steps and any(folder.glob(f"{_APART}/*/checkpoints/[0-9]*")):
        return "the steps up to the last checkpoint of each picture are kept"
    if not steps and any(folder.glob("parts/part-*")):
        return "what was measured up to the last checkpoint is kept"
    return f"{steps} steps are kept" if steps else "no step is kept yet"


def tidy(folder: Path) -> None:
    """Removes what a run that was killed at its very end has left beside its results."""
    files.remove_unfinished(folder)
    checkpoints.remove(folder / "checkpoints")
    checkpoints.remove(folder / _APART)


class Record:
    """The open folder of a run; a context manager.

    Args:
        folder: new, empty, or of a run with the same config that stopped.
        config: the resolved config, as JSON values.
        info: what run.json says besides times and status, "experiment" at least.
        events: also write TensorBoard events.

    Attributes:
        folder: where.
        resume: (picture index, position) of the last checkpoint, or None.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        info: Mapping[str, Any],
        *,
        events: bool = False,
    ):
        self.folder, self._config = folder, config
        belongs(folder, info["experiment"], config)
        if folder.is_dir():
            files.remove_unfinished(folder)
        if not (folder / "config.json").is_file():
            files.write_json(folder / "config.json", config)
        old = read_json(folder / "run.json") if (folder / "run.json").is_file() else {}
        self._before = old.get("seconds", 0.0)  # seconds of the earlier sittings
        self._opened = time.monotonic()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._info = {"started": old.get("started", now), "finished": None} | dict(info)
        try:
            self._checkpoints = Checkpoints(folder / "checkpoints")
            last = self._restore()
            self.resume = _position(last) if last else None
            self._metrics = self._open_metrics()
        except InputError:
            raise
        except Exception as error:  # whatever a damaged file provokes, from whichever library
            if isinstance(error, OSError) and error.errno in files.DISK:
                raise DiskError(f"{folder} cannot be written: {error.strerror}") from None
            reason = type(error).__name__
            raise InputError(
                f"{folder} holds a run that is damaged ({reason}); name a new folder"
            ) from error
        first = (last.number if last else 0) + 1
        self._events = None
        try:
            self._events = Events(folder, first) if events else None
            self._status("running")
        except DiskError:
            self.__exit__()
            raise

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_) -> None:
        self._metrics.close()
        self._checkpoints.close()
        if self._events:
            self._events.close()

    @property
    def seconds(self) -> float:
        """How long the run has been at work, earlier sittings included."""
        return self._before + time.monotonic() - self._opened

    def step(self, number: int, line: Mapping[str, Any]) -> None:
        """Appends a line to metrics.jsonl, with the seconds so far.

        Args:
            number: steps done over all pictures, rising.
            line: has at least "picture", "stage" and "stage_step", "loss" and "values".

        Raises:
            DiskError: if there is no room.
        """
        line = dict(line) | {"seconds": round(self.seconds, 3)}
        self._append((json.dumps(line) + "\n").encode())
        if self._events:
            self._events.scalars({"loss": line["loss"]} | line["values"], number)

    def _append(self, left: bytes) -> None:
        try:
            while left:  # the last bytes of a disk are taken without a word
                left = left[self._metrics.write(left) :]
        except OSError as error:
            raise DiskError(f"{self._metrics.name} cannot be written: {error.strerror}") from None

    @property
    def parted(self) -> bool:
        """Whether some of its pictures are in folders of their own."""
        return (self.folder / _APART).is_dir()

    def part(self, name: str) -> "Record":
        """The record of one picture, in a folder inside, for as long as others are worked on."""
        return Record(self.folder / _APART / name, self._config, self._info)

    def take_over(self, name: str) -> None:
        """Copies what is in a picture's own folder, which stays until the run is finished."""
        folder = self.folder / _APART / name
        for path in sorted(folder.glob("images/*.png")):
            self.write(f"images/{path.name}", path.read_bytes())
        self._append((folder / "metrics.jsonl").read_bytes())

    def image(self, number: int, name: str, image: np.ndarray) -> None:
        """Keeps images/NAME.png."""
        self.write(f"images/{name}.png", images.encode_png(image))
        if self._events:
            self._events.image(name.split("_")[0], image, number)

    def write(self, name: str, content: bytes | Mapping[str, Any]) -> Path:
        """Writes a file of the folder in one move; a mapping becomes JSON."""
        path = self.folder / name
        if isinstance(content, bytes):
            files.write(path, content)
        else:
            files.write_json(path, content)
        return path

    def checkpoint(self, number: int, picture: int, position: Position) -> None:
        """Keeps a position on disk.

        Args:
            number: steps done over all pictures, rising.
            picture: the index of the picture in work.
        """
        meta = {"format": _FORMAT, "picture": picture}
        meta |= {"stage": position.stage, "step": position.step}
        files.sync(self.folder / "metrics.jsonl")  # its lines are never fewer than the steps kept
        self._checkpoints.save(Checkpoint(number, position.leaves, meta))
        self._status("interrupted")  # true if the next thing that happens is a kill

    def close(self, status: str) -> None:
        """Notes how the run ended: "finished" or "interrupted"."""
        self._status(status)
        if status == "finished":
            self._checkpoints.close()
            checkpoints.remove(self.folder / "checkpoints")
            checkpoints.remove(self.folder / _APART)

    def _status(self, status: str) -> None:
        ended = datetime.now(UTC).isoformat(timespec="seconds") if status == "finished" else None
        self._info |= {"status": status, "finished": ended, "seconds": round(self.seconds, 3)}
        self.write("run.json", self._info)

    def _restore(self) -> Checkpoint | None:
        last, damaged = self._checkpoints.restore()
        if last and damaged:
            LOG.warning(
                "checkpoint %d of %s is damaged: going on from %d",
                damaged[0], self.folder, last.number,
            )  # fmt: skip
        if last and last.meta.get("format") != _FORMAT:
            raise InputError(
                f"{self.folder} is a run of another version of the program: go on with that one, "
                "or begin anew in another --workdir"
            )
        return last

    def _open_metrics(self):
        """metrics.jsonl, cut back to the checkpoint: what came after will come again."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        kept = []
        if self.resume:
            picture, position = self.resume
            last = (picture, position.stage, position.step)
            for line in lines:
                entry = json.loads(line) if line.endswith("}\n") else None
                if entry is None:
                    break
                kept.append(line)
                if (entry["picture"], entry["stage"], entry["stage_step"]) == last:
                    break
        files.write(path, "".join(kept).encode())
        return path.open("ab", buffering=0)


def _position(checkpoint: Checkpoint) -> tuple[int, Position]:
    meta = checkpoint.meta
    return meta["picture"], Position(meta["stage"], meta["step"], checkpoint.leaves)
