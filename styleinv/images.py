"""Files <-> images: f32[h, w, 3], sRGB values in [0, 1]."""

import io
import os
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from styleinv.errors import InputError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")


def read(path: str | os.PathLike) -> np.ndarray:
    """f32[h, w, 3] in [0, 1], upright, in sRGB; transparent parts are seen over white.

    Gray, palette, CMYK and 16-bit files are converted; an embedded color profile is applied.

    Raises:
        InputError: one line that names the file and what is wrong with it.
    """
    return decode(read_bytes(path), path)


def read_bytes(path: str | os.PathLike) -> bytes:
    """The file's content, or an InputError that names the file."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def decode(content: bytes, name: str | os.PathLike) -> np.ndarray:
    """`read` of a file that is already in memory; `name` is for the message."""
    image = load(content, name)
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_gray16(image)[..., None], 3, axis=2)
    if image.has_transparency_data:
        rgba = np.asarray(_to_srgb(image.convert("RGBA")), np.float32) / 255
        return rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:])
    image = image.convert("RGB") if image.mode == "P" else image
    return np.asarray(_to_srgb(image).convert("RGB"), np.float32) / 255


def decode_mask(content: bytes, name: str | os.PathLike) -> np.ndarray:
    """f32[h, w] in [0, 1]: the luminance of the file, white where the mask is on."""
    image = load(content, name)
    if image.mode.startswith("I") or image.mode == "F":
        return _gray16(image)
    return np.asarray(image.convert("L"), np.float32) / 255


def load(content: bytes, name: str | os.PathLike) -> Image.Image:
    """The decoded picture, upright; what cannot be read is an InputError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns at 90 megapixels and raises at twice that; broken metadata only warns.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content))
            image.load()
            with suppress(SyntaxError):  # of broken EXIF data: the picture stays as it lies
                ImageOps.exif_transpose(image, in_place=True)
            return image
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise InputError(f"{name} has more than {limit} megapixels; make it smaller") from None
    except MemoryError:
        raise InputError(f"{name} does not fit into memory; make it smaller") from None
    except Exception as error:  # Pillow's plugins raise nearly anything on broken files
        reason = " ".join(str(error).split()) or type(error).__name__
        if "cannot identify" in reason:
            reason = "not an image in a format that is known (PNG, JPEG, WebP)"
        raise InputError(f"{name} is not a readable image: {reason}") from None


def _gray16(image: Image.Image) -> np.ndarray:
    values = np.asarray(image, np.float32)
    return np.clip(values / (1 if image.mode == "F" else 65535), 0, 1)


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGBA" if image.mode == "RGBA" else "RGB",
        )
        return transform.apply(image)
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile is no reason to lose the picture


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
    box = (left, top, min(w, left + width * scale), min(h, top + height * scale))
    planes = [image] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
                (width, height), Image.Resampling.LANCZOS, box
            )
        )
        for plane in planes
    ]
    return np.clip(resized[0] if image.ndim == 2 else np.stack(resized, axis=2), 0, 1)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """f32[...] in [0, 1] -> u8[...], rounded."""
    return np.round(np.clip(np.asarray(image, np.float64), 0, 1) * 255).astype(np.uint8)


def encode_png(image: np.ndarray) -> bytes:
    """An 8-bit PNG file of f32[h, w, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(to_bytes(image)).save(buffer, "PNG")
    return buffer.getvalue()
