"""Color profiles: from the space that a file's colors are in to sRGB, and back."""

import io

import imagecodecs
import numpy as np
from PIL import ImageCms

SRGB = imagecodecs.cms_profile("srgb")


def convert(color: np.ndarray, source: bytes, target: bytes) -> np.ndarray:
    """f32[h, w, c] -> f32[h, w, 3]: Little CMS, at 16 bits; colors outside of `target` are clipped.

    What is in both Adobe RGB (or Display P3) and sRGB comes back within 1e-3. Little CMS must not
    optimize: that means a table of 33^3 colors, which is off by up to 0.08.

    Args:
        color: gray, RGB or CMYK in [0, 1]; gray is read as RGB if `source` is a profile of RGB.

    Raises:
        RuntimeError, ValueError: if a profile is broken, or one of another space.
    """
    if color.shape[2] == 1 and is_of_rgb(source):
        color = np.repeat(color, 3, axis=2)
    converted = imagecodecs.cms_transform(
        np.round(color * 65535).astype(np.uint16),
        source,
        target,
        colorspace={1: "gray", 3: "rgb", 4: "cmyk"}[color.shape[2]],
        outcolorspace="rgb",
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
    )
    return converted.reshape(*color.shape[:2], 3) / np.float32(65535)  # gray comes in four axes


def transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What takes a Pillow image of that mode to sRGB, at 8 bits; None if the profile is broken."""
    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return None


def is_of_rgb(profile: bytes) -> bool:
    """Whether its colors are RGB: some programs give one to gray pictures too."""
    return profile[16:20] == b"RGB "
