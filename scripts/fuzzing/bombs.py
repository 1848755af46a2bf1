"""Small files that unfold to the largest pictures that are read, and to larger ones; or take long.

Black pictures, photographs in thousands of scans, and frames without end.
"""

import struct
import zlib

from hypothesis import strategies as st
from PIL import Image

from fuzzing.pictures import chunk, header, use
from fuzzing.shapes import saved
from fuzzing.target import Target

_LARGEST = 13_377  # the side of a square of 179 megapixels, the most that Pillow opens
_CHANNELS = {0: 1, 2: 3, 6: 4}  # of a PNG's kinds of color
# Width, height, bits, compression, kind, place, samples, rows and bytes of a picture of one pixel.
_TAGS = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1)]


def target() -> Target:
    """Its bounds are those of reading one picture of any size."""
    sides = st.sampled_from([4_000, 8_000, _LARGEST, _LARGEST, 16_000, 60_000])
    files = st.one_of(
        st.builds(_flat, sides, st.sampled_from([0, 2, 6]), st.sampled_from([8, 16])),
        st.builds(_flat, sides, st.sampled_from([2, 6]), st.sampled_from([8, 16])),
        st.builds(_scans, st.sampled_from([2_000, 8_000]), st.sampled_from([50, 99, 5_000])),
        st.builds(_frames, st.sampled_from([1_000, 100_000]), st.booleans()),
    )
    return Target(files.map(lambda content: {"picture.png": content}), use, 60, 6000)


def _scans(side: int, count: int) -> bytes:
    """A gray JPEG of side x side pixels, whose last scan comes so many times."""
    content = saved(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * count + b"\xff\xd9"


def _frames(count: int, endless: bool) -> bytes:
    """A TIFF of so many pictures of one pixel; endless, the last is followed by the first."""
    size = 2 + 12 * len(_TAGS) + 4
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in _TAGS)
    content = [b"II*\0" + struct.pack("<I", 10) + b"\0\0"]
    for number in range(1, count + 1):
        following = 10 + size * number if number < count else 10 * endless
        content.append(struct.pack("<H", len(_TAGS)) + tags + struct.pack("<I", following))
    return b"".join(content)


def _flat(side: int, color: int, bits: int) -> bytes:
    """A black PNG of side x side pixels, in a thousandth of its size."""
    pack, row = zlib.compressobj(1), bytes(1 + side * _CHANNELS[color] * bits // 8)
    rows = side if side <= _LARGEST else 10  # what is too large has no need of all its rows
    data = b"".join(pack.compress(row) for _ in range(rows)) + pack.flush()
    parts = header(side, side, bits, color) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
