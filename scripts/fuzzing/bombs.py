"""Small files that unfold to the largest pictures that are read, and to larger ones."""

import zlib

from hypothesis import strategies as st

from fuzzing.pictures import chunk, header, use
from fuzzing.target import Target

_LARGEST = 13_377  # the side of a square of 179 megapixels, the most that Pillow opens
_CHANNELS = {0: 1, 2: 3, 6: 4}  # of a PNG's kinds of color


def target() -> Target:
    """Its bounds are those of reading one picture of any size."""
    sides = st.sampled_from([4_000, 8_000, _LARGEST, _LARGEST, 16_000, 60_000])
    files = st.builds(_flat, sides, st.sampled_from([0, 2, 6]), st.sampled_from([8, 16]))
    return Target(files.map(lambda content: {"picture.png": content}), use, 60, 6000)


def _flat(side: int, color: int, bits: int) -> bytes:
    """A black PNG of side x side pixels, in a thousandth of its size."""
    pack, row = zlib.compressobj(1), bytes(1 + side * _CHANNELS[color] * bits // 8)
    rows = side if side <= _LARGEST else 10  # what is too large has no need of all its rows
    data = b"".join(pack.compress(row) for _ in range(rows)) + pack.flush()
    parts = header(side, side, bits, color) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
