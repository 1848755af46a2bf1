"""TensorBoard events, through the optional package tensorboardX."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from styleinv.errors import DiskError, InputError

_FLUSH = 30  # seconds


class Events:
    """Scalars and images of a run, under FOLDER/tensorboard.

    Written here and at once: the thread that tensorboardX would use ends at the first error, and
    the program then waits for it for ever.

    Args:
        first_step: where the run goes on; what an earlier sitting has from there on is hidden.

    Raises:
        InputError: if tensorboardX is not installed.
        DiskError: here and below, if there is no room.
    """

    def __init__(self, folder: Path, first_step: int):
        require()
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        proto: Any = event_pb2  # its names are made when it is imported
        self._folder, self._flushed = folder / "tensorboard", time.monotonic()
        self._event = proto.Event
        try:
            self._folder.mkdir(exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"))
        except OSError as error:
            raise self._refused(error) from None
        started = proto.SessionLog(status=proto.SessionLog.START)
        self._add(first_step, session_log=started)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """One curve for each name."""
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._add(step, summary=scalar(name, value))

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """f32[h, w, 3] in [0, 1]."""
        from tensorboardX import summary

        self._add(step, summary=summary.image(name, image, dataformats="HWC"))

    def close(self) -> None:
        """Writes what is left, as far as there is room: metrics.jsonl has all of it."""
        with suppress(OSError):
            self._writer.close()

    def _add(self, step: int, **content) -> None:
        try:
            self._writer.write_event(self._event(step=step, wall_time=time.time(), **content))
            if time.monotonic() - self._flushed > _FLUSH:
                self._writer.flush()
                self._flushed = time.monotonic()
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> DiskError:
        return DiskError(f"{self._folder} cannot be written: {error.strerror}")


def require() -> None:
    """Raises an InputError if tensorboardX is not installed."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise InputError(
            "config.tensorboard needs tensorboardX; pip install 'styleinv[tensorboard]'"
        ) from None
