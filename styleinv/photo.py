"""Files <-> photographs: the image that is restyled, and what of its file must survive."""

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import imagecodecs
import numpy as np
from PIL import Image, PngImagePlugin

from styleinv import images, profiles
from styleinv.profiles import SRGB

ORIENTATION, EXIF_IFD, WIDTH, HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003  # EXIF tags
_BITS = 258  # the tag of a TIFF file
# What a TIFF file has among them: how its pixels lie in it, and what is carried on its own.
LAYOUT = (
    *(254, 255, 256, 257, 258, 259),  # kind of picture, width, height, bits, compression
    *(262, 266, 273, 277, 278, 279, 284),  # color space, order of bits, strips, samples, planes
    *(280, 281, 340, 341, 338, 339),  # least and largest value, extra samples, kind of numbers
    *(292, 293, 317, 347, 513, 514),  # of compression: fax, predictor, JPEG
    *(320, 332, 334),  # palette, inks
    *(322, 323, 324, 325, 330),  # tiles, further pictures
    *(700, 34675),  # XMP, color profile
)
# As an XMP packet says it; Pillow takes it out where the EXIF data is whole.
_TURNED = re.compile(rb'tiff:Orientation="\d"|<tiff:Orientation>\d</tiff:Orientation>')
# sRGB, as a PNG file without a profile may spell it out.
SPELLED = {"gamma": 0.45455, "chromaticity": (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)}


class Photo(NamedTuple):
    """A photograph: its image, and what the stylized file takes over from its file.

    Attributes:
        image: f32[h, w, 3] in [0, 1], upright, in sRGB; transparent parts are seen over white.
        alpha: f32[h, w] in [0, 1]; None if all is opaque.
        bits: 8 or 16, per channel of the file.
        profile: the ICC profile of the file's RGB space; None is sRGB.
        exif: the EXIF block, less orientation, thumbnail, size and (of a TIFF file) layout, which
            are of the old picture.
        dpi: (horizontal, vertical).
        xmp: the XMP packet, less orientation.
        notes: what is not kept, for the log; each completes "photo.png: ".
    """

    image: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    profile: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    notes: tuple[str, ...] = ()


def read(path: str | os.PathLike) -> Photo:
    """The photograph in a file; of a 16-bit PNG, all bits.

    Raises:
        InputError: one line that names the file and what is wrong with it.
    """
    content = images.read_bytes(path)
    with images.readable(path):
        return _decode(content, path)


def encode_png(image: np.ndarray, photo: Photo, bits: int = 8) -> bytes:
    """A PNG file of f32[h, w, 3], sRGB, any size, with all that `photo` carries.

    Colors are converted into the photograph's own space. `image` is seen over white, as
    `photo.image` is: where the photograph is translucent, the file holds the color that looks like
    `image` over white.

    Args:
        bits: 8 or 16 per channel.
    """
    color = np.clip(np.asarray(image, np.float32), 0, 1)
    alpha = None if photo.alpha is None else images.resize(photo.alpha, *color.shape[:2])[..., None]
    if alpha is not None:
        color = np.where(alpha > 0, 1 - (1 - color) / np.maximum(alpha, 1e-6), color).clip(0, 1)
    if photo.profile:
        color = _convert(color, SRGB, photo.profile)
    layers = color if alpha is None else np.concatenate([color, alpha], axis=2)
    content = imagecodecs.png_encode(np.round(layers * (2**bits - 1)).astype(f"u{bits // 8}"))
    carried = {
        b"iCCP": photo.profile and b"ICC profile\0\0" + zlib.compress(photo.profile),
        b"eXIf": photo.exif,
        b"pHYs": photo.dpi and struct.pack(">2IB", *[round(dpi / 0.0254) for dpi in photo.dpi], 1),
        b"iTXt": photo.xmp and b"XML:com.adobe.xmp\0\0\0\0\0" + photo.xmp,
    }
    chunks = io.BytesIO()
    for kind, data in carried.items():
        if data:
            PngImagePlugin.putchunk(chunks, kind, data)
    return bytes(content[:33] + chunks.getvalue() + content[33:])  # behind signature and IHDR


def _decode(content: bytes, name: str | os.PathLike) -> Photo:
    picture, notes = images.load(content, name), []
    if getattr(picture, "is_animated", False):  # to count the frames takes for ever, if so wanted
        notes.append("only the first of its frames is kept")
    values, bits = _values(content, picture)
    if bits == 8 < (there := _bits_of_tiff(picture)):
        notes.append(f"its {there} bits are read as 8; as a PNG it would keep them")
    translucent = values.shape[2] in (2, 4) and picture.mode != "CMYK"
    values, alpha = (values[..., :-1], _unit(values[..., -1])) if translucent else (values, None)
    image, profile = _to_srgb(values, picture, notes)
    if alpha is not None:
        images.blend_over_white(image, alpha)
    exif = _exif(picture, notes)
    dpi = tuple(map(float, picture.info.get("dpi", ())))
    xmp = picture.info.get("xmp")
    if lost := sorted(_lost(picture)):
        notes.append(f"not kept: {', '.join(lost)}")
    return Photo(
        image=image,
        alpha=None if alpha is None or alpha.min() == 1 else alpha,
        bits=bits,
        profile=profile,
        exif=exif,
        dpi=dpi if len(dpi) == 2 and all(0.1 < value < 1e6 for value in dpi) else None,
        xmp=_TURNED.sub(b"", xmp) if isinstance(xmp, bytes) else None,  # of a TIFF file, anything
        notes=tuple(notes),
    )


def _values(content: bytes, picture: Image.Image):
    """(u8, u16 or f32[h, w, c], bits): upright; gray, gray + alpha, RGB, RGBA or CMYK."""
    if content.startswith(b"\x89PNG") and content[24] == 16:  # Pillow reads these to 8 bits
        values = imagecodecs.png_decode(content)
        return _upright(values.reshape(*values.shape[:2], -1), content), 16
    if images.is_deep(picture):
        return images.deep(picture)[..., None], 16
    mode = images.color_mode(picture) + "A" * picture.has_transparency_data
    return np.asarray(picture.convert(mode)).reshape(picture.height, picture.width, -1), 8


def _bits_of_tiff(picture: Image.Image) -> int:
    """Per channel of a TIFF file, of which Pillow reads 8 where it has colors; 0 of others."""
    return max(getattr(picture, "tag_v2", {}).get(_BITS, (0,)))


def _unit(values: np.ndarray) -> np.ndarray:
    """u8 or u16[...] -> f32[...] in [0, 1], where they are no such numbers yet."""
    if values.dtype == np.float32:
        return values
    return values / np.float32(np.iinfo(values.dtype).max)


def _upright(values: np.ndarray, content: bytes) -> np.ndarray:
    """[h, w, c] as the file's EXIF orientation wants it seen."""
    orientation = 1
    with images.exif_of_any_kind():
        orientation = Image.open(io.BytesIO(content)).getexif().get(ORIENTATION, 1)
    values = values.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else values
    values = values[::-1] if orientation in (3, 4, 7, 8) else values
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values


def _to_srgb(values: np.ndarray, picture: Image.Image, notes: list[str]):
    """(f32[h, w, 3] in sRGB, the profile that leads back or None) of the file's values."""
    profile = picture.info.get("icc_profile")
    space = {1: "gray", 3: "rgb", 4: "cmyk"}[values.shape[2]]
    if profile:
        try:
            image = _convert(values, profile, SRGB)
        except (RuntimeError, ValueError):
            notes.append("its color profile is broken and not applied")
        else:
            with suppress(RuntimeError, ValueError):  # of a profile that has no way back into RGB
                few = _unit(values[::4, ::4])
                loss = np.abs(_convert(image[::4, ::4], SRGB, profile) - few)
                if np.quantile(loss, 0.999) > 0.02:
                    notes.append("its colors outside of sRGB are clipped")
                return image, profile
            notes.append(f"its {space} profile is not kept; the result is in sRGB")
            return image, None
    if space == "cmyk":
        notes.append("its cmyk space is not kept; the result is in sRGB")
        values = np.asarray(picture.convert("RGB"))
    return _by_strips(lambda rows: np.repeat(rows, 3 // rows.shape[2], axis=2), values), None


def _by_strips(function: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
    """f32[h, w, 3]: a function of f32[..., w, c], of some rows at a time, to save memory."""
    found = np.empty((*values.shape[:2], 3), np.float32)
    for rows in images.strips(*values.shape[:2]):
        found[rows] = function(_unit(values[rows]))
    return found


def _convert(color: np.ndarray, source: bytes, target: bytes) -> np.ndarray:
    """[h, w, c] -> f32[h, w, 3], see `profiles.convert`."""
    return _by_strips(lambda rows: profiles.convert(rows, source, target), color)


def _exif(picture: Image.Image, notes: list[str]) -> bytes | None:
    try:
        exif = picture.getexif()
        for tag in (ORIENTATION, *LAYOUT):
            exif.pop(tag, None)
        if EXIF_IFD in exif:
            for tag in (WIDTH, HEIGHT):
                exif.get_ifd(EXIF_IFD).pop(tag, None)
        return exif.tobytes().removeprefix(b"Exif\0\0") if len(exif) else None
    except Exception:  # Pillow raises nearly anything on broken data
        notes.append("its EXIF data is broken and not kept")
        return None


def _lost(picture: Image.Image) -> set[str]:
    """Names of what else is in the file: texts, IPTC (photoshop), a color space that is no ICC."""
    info = {str(key): value for key, value in picture.info.items()}
    texts = set(getattr(picture, "text", {})) - {"XML:com.adobe.xmp", "Raw profile type exif"}
    odd = {k for k in info.keys() & SPELLED if not np.allclose(info[k], SPELLED[k], atol=0.01)}
    return texts | odd | (info.keys() & {"comment", "photoshop"})
