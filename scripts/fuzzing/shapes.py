"""Small valid pictures of every kind, and the marked files that nothing may lead to."""

import io

import imagecodecs
import numpy as np
from PIL import Image, PngImagePlugin

from fuzzing.folders import Content

HEIGHT, WIDTH = 16, 24
SECRET = (1, 2, 3)  # the color of every picture outside


def saved(image: Image.Image, kind: str, **options) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def secrets() -> dict[str, Content]:
    """The files of the folder beside an input."""
    picture = saved(Image.new("RGB", (WIDTH, HEIGHT), SECRET), "PNG")
    listed = b"file_name,weight\nsecret.png,7\n"
    return {"secret.png": picture, "metadata.csv": listed, "deep/secret.png": picture}


def waves(channels: int, dtype: type = np.uint8) -> np.ndarray:
    """u8 or u16[16, 24, channels]: all levels, no two columns alike."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = [np.sin(x / (2 + c) + c) * np.cos(y / (3 + c)) for c in range(channels)]
    most = np.iinfo(dtype).max
    return np.round((np.stack(planes, axis=2) + 1) / 2 * most).astype(dtype)


def pngs() -> list[bytes]:
    """PNG files: 8 and 16 bits, palettes, alpha, EXIF, texts, profiles, several frames."""
    rgb, rgba = Image.fromarray(waves(3)), Image.fromarray(waves(4))
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "text" * 20, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "<x/>", zip=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "waves"
    files = [
        saved(rgb, "PNG"),
        saved(rgba, "PNG"),
        saved(rgb, "PNG", pnginfo=texts, dpi=(72, 72)),
        saved(rgb, "PNG", exif=exif, icc_profile=imagecodecs.cms_profile("adobergb")),
        saved(rgb.quantize(9), "PNG", transparency=bytes(range(0, 180, 20))),
        saved(rgb.convert("L"), "PNG", transparency=7),
        saved(rgb.convert("LA"), "PNG"),
        saved(rgb.convert("1"), "PNG"),
        saved(rgba, "PNG", save_all=True, append_images=[rgba.rotate(90)], duration=20),
    ]
    return files + [bytes(imagecodecs.png_encode(waves(n, np.uint16))) for n in (1, 2, 3, 4)]


def others() -> list[bytes]:
    """JPEG, WebP, and what else may be passed as a picture."""
    rgb, rgba = Image.fromarray(waves(3)), Image.fromarray(waves(4))
    exif = Image.Exif()
    exif[0x0112] = 8
    profile = imagecodecs.cms_profile("adobergb")
    deep = Image.fromarray(waves(1, np.uint16)[..., 0])
    return [
        saved(rgb, "JPEG"),
        saved(rgb, "JPEG", progressive=True, exif=exif, icc_profile=profile, dpi=(300, 300)),
        saved(rgb.convert("L"), "JPEG", comment=b"waves"),
        saved(rgb.convert("CMYK"), "JPEG"),
        saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        saved(rgb, "WEBP", exif=exif, icc_profile=profile),
        saved(rgba, "WEBP", lossless=True),
        saved(rgba, "WEBP", save_all=True, append_images=[rgba.rotate(90)], duration=20),
        saved(rgb, "BMP"),
        saved(rgb, "GIF", save_all=True, append_images=[rgb.rotate(90)]),
        saved(rgb, "TIFF"),
        saved(rgba, "TIFF", compression="tiff_adobe_deflate"),
        saved(rgb.convert("LAB"), "TIFF"),
        saved(deep, "TIFF", compression="tiff_lzw"),
        saved(Image.fromarray(waves(1)[..., 0].astype(np.float32) / 255), "TIFF"),
        _eps(),
        b"P6 24 16 255 " + waves(3).tobytes(),
        b"#define x_width 8\n#define x_height 1\nstatic char x_bits[] = {\n0xff };\n",
    ]


def _eps() -> bytes:
    """A PostScript file: Pillow would start Ghostscript."""
    return saved(Image.fromarray(waves(3)), "EPS")
