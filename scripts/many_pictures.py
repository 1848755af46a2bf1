"""Many small pictures, made on the spot from a seed, for trials of scale."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image


@contextmanager
def pictures(count: int, sides: Sequence[int] = (48, 64)) -> Iterator[Path]:
    """A temporary folder of so many small JPEGs of three shapes, made from a seed."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        for k in range(count):
            width, height = map(int, generator.choice(sides, 2))
            coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
            image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
            image.save(folder / f"{k:06}.jpg", quality=85)
        yield folder
