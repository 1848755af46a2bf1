"""TensorBoard events, through the optional package tensorboardX."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from styleinv.errors import InputError


class Events:
    """Scalars and images of a run, under FOLDER/tensorboard.

    Raises:
        InputError: if tensorboardX is not installed.
    """

    def __init__(self, folder: Path, first_step: int):
        require()
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """One curve for each name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """f32[h, w, 3] in [0, 1]."""
        self._writer.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()


def require() -> None:
    """Raises an InputError if tensorboardX is not installed."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise InputError(
            "config.tensorboard needs tensorboardX; pip install 'styleinv[tensorboard]'"
        ) from None
