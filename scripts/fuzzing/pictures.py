"""Pictures: as a dataset reads them, as masks, and as photographs that are written again."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from fuzzing.edits import edited
from fuzzing.shapes import others, pngs
from fuzzing.target import Target

_UNFOLDED = 1 << 27  # bytes that a hundred thousand unfold to
_KINDS = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf"]
_KINDS += [b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"bKGD"]
_SIDES = st.one_of(
    st.sampled_from([0, 1, 24, 16, 1 << 16, 1 << 20, 2**31 - 1, 2**31, 2**32 - 1, 13_000]),
    st.integers(0, 2**32 - 1),
)


def target() -> Target:
    """Memory: data is short in these files, and few have many pixels; see `bombs` for the rest."""
    valid = pngs()
    contents = st.one_of(edited(valid), _chunked(valid), edited(others()), edited(others()))
    return Target(contents.map(lambda content: {"picture.png": content}), use, megabytes=1500)


def use(folder: Path) -> None:
    """All that is done with the file of a picture."""
    from styleinv import images, photo
    from styleinv.errors import InputError

    path, refused = folder / "picture.png", []
    try:
        _check(images.read(path), 3)
    except InputError as error:
        refused.append(error)
    try:
        _check(images.decode_mask(images.read_bytes(path), path), 0)
    except InputError as error:
        refused.append(error)
    found = photo.read(path)
    _check(found.image, 3)
    if found.image.size < 1 << 20:
        written = photo.encode_png(found.image, found, found.bits)
        _check(images.decode(written, path), 3)
    if refused:
        raise refused[0]


def _check(image: np.ndarray, channels: int) -> None:
    assert image.dtype == np.float32
    assert image.shape[2:] == ((channels,) if channels else ())
    assert image.size
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, bits: int, color: int, interlaced: int = 0) -> bytes:
    """The chunk that says what a PNG file holds."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced))


def _chunked(valid: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """PNG files whose chunks are odd, and whose checksums are right."""
    bomb = zlib.compress(bytes(_UNFOLDED), 9)
    datas = [b"icc\0\0" + bomb, b"key\0\0" + bomb, b"key\0\1\0\0\0" + bomb, bomb, b""]
    datas += [b"XML:com.adobe.xmp\0\1\0\0\0" + bomb, b"\0" * 26]
    data = st.one_of(st.sampled_from(datas), st.binary(max_size=40))
    edit = st.one_of(
        st.tuples(
            st.just("header"),
            st.builds(
                header,
                _SIDES,
                _SIDES,
                st.sampled_from([1, 2, 4, 8, 16, 3]),
                st.sampled_from([0, 2, 3, 4, 6, 5]),
                st.sampled_from([0, 0, 1, 2]),
            ),
            st.just(1),
        ),
        st.tuples(
            st.just("add"), st.builds(chunk, st.sampled_from(_KINDS), data), st.integers(1, 9)
        ),
        st.tuples(st.just("drop"), st.just(b""), st.integers(1, 9)),
        st.tuples(st.just("data"), st.binary(max_size=8), st.integers(1, 9)),
    )
    return st.builds(_rebuild, st.sampled_from(valid), st.lists(edit, min_size=1, max_size=4))


def _rebuild(content: bytes, edits: Sequence[tuple[str, bytes, int]]) -> bytes:
    parts, place = [content[:8]], 8
    while place < len(content):
        size = 12 + int.from_bytes(content[place : place + 4], "big")
        parts.append(content[place : place + size])
        place += size
    for what, data, number in edits:
        number = min(number, len(parts) - 1)
        match what:
            case "header":
                parts[1] = data
            case "add":
                parts.insert(number, data)
            case "drop" if len(parts) > 2:
                del parts[number]
            case "data":
                old = parts[number]
                parts[number] = chunk(old[4:8], data + old[8 + len(data) : -4])
    return b"".join(parts)
