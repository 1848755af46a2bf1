"""Files <-> images: f32[h, w, 3], sRGB values in [0, 1]."""

import io
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from styleinv.errors import InputError, reason_of
from styleinv.lanczos import resample
from styleinv.profiles import SRGB, convert, is_of_rgb, transform

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
# What a file may be, whatever its name: Pillow knows others too, and starts programs for some.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_MOST_BYTES = 1 << 30  # of any file; the largest that Pillow opens has fewer, were it not packed
_STRIP = 1 << 20  # pixels that are converted at a time

# Of broken and of large files, which are answered below or read all the same. Once, and not around
# each file: readers in threads would take back each other's filters, and leave everything ignored.
warnings.filterwarnings("ignore", module=r"PIL\.")


def read(path: str | os.PathLike) -> np.ndarray:
    """f32[h, w, 3] in [0, 1], upright, in sRGB; transparent parts are seen over white.

    Gray, palette, CMYK and 16-bit files are converted; an embedded color profile is applied.

    Raises:
        InputError: one line that names the file and what is wrong with it.
    """
    return decode(read_bytes(path), path)


def read_bytes(path: str | os.PathLike) -> bytes:
    """The file's content, or an InputError that names the file: at most a gigabyte.

    What is no plain file (a pipe, a device) is refused unread: it may never end.
    """
    try:
        about = os.stat(path)
        plain = stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)
        if plain and about.st_size <= _MOST_BYTES:
            return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:  # of a NUL
        raise InputError(f"{str(path)!r} is not a file name") from None
    if plain:
        raise InputError(f"{path} has {about.st_size / 1e9:,.1f} GB; make it smaller")
    raise InputError(f"{path} is a pipe or a device; give a file")


def decode(content: bytes, name: str | os.PathLike) -> np.ndarray:
    """`read` of a file that is already in memory; `name` is for the message."""
    image = load(content, name)
    with readable(name):
        to_srgb, translucent = _to_srgb(image), image.has_transparency_data
        values = np.empty((image.height, image.width, 3), np.float32)
        for rows in strips(image.height, image.width):
            strip = image.crop((0, rows.start, image.width, rows.stop))
            values[rows] = to_srgb(strip)
            if translucent:
                blend_over_white(values[rows], _opacity(strip))
        return values


def decode_mask(content: bytes, name: str | os.PathLike) -> np.ndarray:
    """f32[h, w] in [0, 1]: the luminance of the file times its alpha, 1 where the mask is on."""
    image = load(content, name)
    with readable(name):
        translucent = image.has_transparency_data
        values = np.empty((image.height, image.width), np.float32)
        for rows in strips(image.height, image.width):
            strip = image.crop((0, rows.start, image.width, rows.stop))
            values[rows] = _luminance(strip)
            if translucent:
                values[rows] *= _opacity(strip)
        return values


def strips(height: int, width: int) -> Iterator[slice]:
    """The rows of a picture, a megapixel at a time: all at once would take thrice the memory."""
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def load(content: bytes, name: str | os.PathLike) -> Image.Image:
    """The decoded picture, upright; what cannot be read is an InputError."""
    with readable(name):
        # A scan of a progressive JPEG may have a hundred bytes, and costs a look at every pixel. By
        # chance its marker comes once in 65536 bytes.
        if content.startswith(b"\xff\xd8"):
            scans = content.count(b"\xff\xda")
            if scans > 100 + len(content) / 20_000:
                raise ValueError(f"{scans:,} scans in {len(content):,} bytes")
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        image.load()
        with exif_of_any_kind():  # Pillow turns the picture at once, before it mends the EXIF data
            ImageOps.exif_transpose(image, in_place=True)
        return image


@contextmanager
def exif_of_any_kind() -> Iterator[None]:
    """Ignores what Pillow raises on broken EXIF data, which is nearly anything.

    A picture whose orientation cannot be read stays as it lies.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception:
        pass


@contextmanager
def readable(name: str | os.PathLike) -> Iterator[None]:
    """Turns whatever Pillow raises on a broken file into an InputError.

    It raises at twice the 90 megapixels at which it warns, which is ignored, see above.
    """
    try:
        yield
    except InputError:
        raise
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise InputError(f"{name} has more than {limit} megapixels; make it smaller") from None
    except MemoryError:
        raise InputError(f"{name} does not fit into memory; make it smaller") from None
    except Exception as error:  # Pillow's plugins raise nearly anything on broken files
        reason = reason_of(error)
        if "cannot identify" in reason:
            reason = "not an image in a format that is known (PNG, JPEG, WebP)"
        raise InputError(f"{name} is not a readable image: {reason}") from None


def is_deep(image: Image.Image) -> bool:
    """Whether it is a gray picture with more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def deep(image: Image.Image) -> np.ndarray:
    """f32[h, w] in [0, 1] of a gray picture with more than 8 bits."""
    values = np.asarray(image, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("it holds numbers that are not finite")
    return np.clip(values / (1 if image.mode == "F" else 65535), 0, 1)


def color_mode(image: Image.Image) -> str:
    """What the colors of a picture of 8 bits are: "L", "RGB" or "CMYK"."""
    return {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")


def blend_over_white(image: np.ndarray, alpha: np.ndarray) -> None:
    """Puts f32[h, w, 3] over white, in place; `alpha` is f32[h, w] in [0, 1]."""
    image *= alpha[..., None]
    image += (1 - alpha)[..., None]


def _luminance(image: Image.Image) -> np.ndarray:
    """f32[h, w] in [0, 1]."""
    return deep(image) if is_deep(image) else np.asarray(image.convert("L"), np.float32) / 255


def _opacity(image: Image.Image) -> np.ndarray:
    """f32[h, w] in [0, 1]: the alpha of a picture that has transparency data."""
    if is_deep(image):
        return (np.asarray(image) != image.info["transparency"]).astype(np.float32)
    return np.asarray(image.convert("RGBA").getchannel("A"), np.float32) / 255


def _to_srgb(image: Image.Image) -> Callable[[Image.Image], np.ndarray]:
    """What takes strips of a picture to f32[h, w, 3]; a broken profile is not applied."""
    profile, mode = image.info.get("icc_profile"), color_mode(image)
    if is_deep(image):
        return lambda strip: _gray_to_srgb(deep(strip)[..., None], profile)
    mode = "RGB" if mode == "L" and profile and is_of_rgb(profile) else mode
    to_srgb = transform(profile, mode) if profile else None

    def convert_strip(strip: Image.Image) -> np.ndarray:
        strip = strip.convert(mode)
        strip = to_srgb.apply(strip) if to_srgb else strip.convert("RGB")
        return np.asarray(strip, np.float32) / 255

    return convert_strip


def _gray_to_srgb(gray: np.ndarray, profile: bytes | None) -> np.ndarray:
    if profile:
        with suppress(RuntimeError, ValueError):  # of a broken profile
            return convert(gray, profile, SRGB)
    return np.repeat(gray, 3, axis=2)


def frame(height: int, width: int, resolution: int) -> tuple[int, int]:
    """(height, width) at which a picture is seen at a resolution.

    A picture of any aspect has about resolution^2 pixels, so that all of them cost the same and a
    brushstroke has one size. Sides are multiples of a sixteenth of the resolution: the same few
    shapes, and the same crop, at every resolution.
    """
    unit = round(resolution / 16)
    scale = 16 / (height * width) ** 0.5
    return max(1, round(height * scale)) * unit, max(1, round(width * scale)) * unit


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """f32[h, w(, c)] -> f32[height, width(, c)], values in [0, 1]; never stretched.

    The picture covers the frame, and what sticks out is cropped evenly. Antialiased (Lanczos).
    """
    h, w = image.shape[:2]
    scale = min(h / height, w / width)
    top, left = max(0, (h - height * scale) / 2), max(0, (w - width * scale) / 2)
    rows = resample(np.asarray(image, np.float32), top, min(h, top + height * scale), height)
    columns = resample(rows.swapaxes(0, 1), left, min(w, left + width * scale), width)
    return np.clip(columns.swapaxes(0, 1), 0, 1, order="C")


def to_bytes(image: np.ndarray) -> np.ndarray:
    """f32[...] in [0, 1] -> u8[...], rounded."""
    return np.round(np.clip(np.asarray(image, np.float64), 0, 1) * 255).astype(np.uint8)


def encode_png(image: np.ndarray) -> bytes:
    """An 8-bit PNG file of f32[h, w, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(to_bytes(image)).save(buffer, "PNG")
    return buffer.getvalue()
