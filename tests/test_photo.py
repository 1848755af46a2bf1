"""Photographs through a file, an image and a file again: nothing of them is lost."""

import functools
import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin, TiffTags

from styleinv import images, photo
from styleinv.errors import InputError

ORIENTATION, DESCRIPTION, EXIF_IFD = 0x0112, 0x010E, 0x8769
WIDTH, HEIGHT, TAKEN = 0xA002, 0xA003, 0x9003
PRIMARIES = {
    "Adobe RGB": (0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
    "Display P3": (0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
XMP_TAG = 0x02BC
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


@functools.cache  # a profile holds the second in which it was made
def profile(name):
    return imagecodecs.cms_profile(
        "rgb", whitepoint=(0.3127, 0.329), primaries=PRIMARIES[name], gamma=2.2
    )


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values, *chunks, width=None):
    """A PNG file byte by byte of u8 or u16[h, w, c]: gray, gray + alpha, RGB or RGBA."""
    depth, color = 8 * values.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    size = width or values.shape[1], width or values.shape[0]
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data


def iccp(content):
    return chunk(b"iCCP", b"name\0\0" + zlib.compress(content))


def save(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation):
    block = Image.Exif()
    block[ORIENTATION], block[DESCRIPTION] = orientation, "a pagoda"
    block.get_ifd(EXIF_IFD).update({WIDTH: 40, HEIGHT: 30, TAKEN: "2011:08:21 12:00:00"})
    return block.tobytes()


def noise(bits, *shape):
    return np.random.default_rng(0).integers(0, 2**bits, shape).astype(f"u{bits // 8}")


@pytest.fixture
def read(tmp_path):
    """A function: the content of a file -> the Photo in it."""

    def read(content):
        (tmp_path / "x.png").write_bytes(content)
        return photo.read(tmp_path / "x.png")

    return read


@pytest.mark.parametrize("bits", [8, 16])
def test_encode_png_keeps_every_bit_that_was_read(read, bits):
    values = noise(bits, 20, 30, 3)
    picture = read(png(values))
    np.testing.assert_array_equal(picture.image, values / np.float32(2**bits - 1))
    assert (picture.image.dtype, *picture[1:]) == (np.float32, *photo.Photo(values, bits=bits)[1:])
    actual = imagecodecs.png_decode(photo.encode_png(picture.image, picture, bits))
    np.testing.assert_array_equal(actual, values)


def test_encode_png_rounds_to_8_bits(read):
    picture = read(png(noise(16, 20, 30, 3)))
    actual = imagecodecs.png_decode(photo.encode_png(picture.image, picture, bits=8))
    np.testing.assert_array_equal(actual, images.to_bytes(picture.image))


def test_encode_png_clips():
    image = np.array([[(-1, 0.5, 2)]])
    actual = imagecodecs.png_decode(photo.encode_png(image, photo.Photo(image), bits=16))
    np.testing.assert_array_equal(actual, [[(0, 32768, 65535)]])


@pytest.mark.parametrize("bits", [8, 16])
def test_read_gives_gray_three_channels(read, bits):
    values = noise(bits, 20, 30, 1)
    actual = read(png(values))
    desired = np.repeat(values / np.float32(2**bits - 1), 3, axis=2)
    np.testing.assert_array_equal(actual.image, desired)
    assert (actual.bits, actual.alpha, actual.notes) == (bits, None, ())


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *[("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
        *[("JPEG", "L"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("TIFF", "I;16")],
    ],
)
def test_read_sees_what_images_read_sees(read, tmp_path, kind, mode):
    content = save(Image.fromarray(noise(8, 20, 30, 4)).convert(mode), kind)
    actual = read(content)
    np.testing.assert_allclose(actual.image, images.read(tmp_path / "x.png"), atol=1e-6)
    assert (actual.alpha is not None) == Image.open(io.BytesIO(content)).has_transparency_data
    assert actual.notes == ()


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_encode_png_keeps_transparency(read, bits, channels):
    values = noise(bits, 20, 30, channels)
    values[5:, :, -1] |= 2 ** (bits - 2)  # at least a quarter opaque: colors are kept exactly
    values[:5, :, -1] = 0
    picture = read(png(values))
    color, alpha = np.split(values / (2**bits - 1), [channels - 1], axis=2)
    desired = np.broadcast_to(alpha * color + 1 - alpha, (20, 30, 3))
    np.testing.assert_allclose(picture.image, desired, atol=1e-6)
    actual = imagecodecs.png_decode(photo.encode_png(picture.image, picture, bits))
    np.testing.assert_array_equal(actual[..., 3], values[..., -1])
    desired = np.broadcast_to(values[5:, :, :-1], (15, 30, 3))
    np.testing.assert_array_equal(actual[5:, :, :3], desired)


def test_encode_png_keeps_the_color_of_what_is_all_but_transparent(read):
    values = np.full((4, 4, 4), (60, 120, 200, 20), np.uint8)
    picture = read(png(values))
    actual = imagecodecs.png_decode(photo.encode_png(picture.image, picture))
    np.testing.assert_array_equal(actual, values)


def test_read_sees_a_transparent_color_at_16_bits(read):
    values = np.array([[(1000, 2000, 3000), (1000, 2000, 3001)]], np.uint16)
    picture = read(png(values, chunk(b"tRNS", struct.pack(">HHH", *values[0, 0]))))
    np.testing.assert_array_equal(picture.alpha, [[0, 1]])
    np.testing.assert_allclose(picture.image, [[(1, 1, 1), values[0, 1] / 65535]], atol=1e-7)


@pytest.mark.parametrize(("level", "kept"), [(255, False), (250, True)])
def test_read_forgets_an_alpha_that_is_opaque(read, level, kept):
    assert (read(png(np.full((2, 2, 4), level, np.uint8))).alpha is not None) == kept


def test_encode_png_resizes_the_alpha():
    alpha = np.float32(np.arange(20) < 10) * np.ones((20, 1), np.float32)
    image = np.full((40, 80, 3), 0.5)
    content = photo.encode_png(image, photo.Photo(image, alpha), bits=8)
    actual = imagecodecs.png_decode(content)[..., 3]
    assert actual.shape == (40, 80)
    assert (actual[:, :30].min(), actual[:, 50:].max()) == (255, 0)


@pytest.mark.parametrize("name", PRIMARIES)
@pytest.mark.parametrize("bits", [8, 16])
def test_encode_png_keeps_the_color_profile(read, name, bits):
    # Colors that sRGB has too, and grays.
    values = np.concatenate([100 + noise(8, 20, 30, 3) // 4, np.full((20, 1, 3), 50, np.uint8)], 1)
    values = values.astype(f"u{bits // 8}") * (257 if bits == 16 else 1)
    picture = read(png(values, iccp(profile(name))))
    content = photo.encode_png(picture.image, picture, bits)
    assert Image.open(io.BytesIO(content)).info["icc_profile"] == profile(name)
    actual = imagecodecs.png_decode(content) / (2**bits - 1)
    np.testing.assert_allclose(actual, values / (2**bits - 1), atol=1e-3)
    # Others, who go by the profile, see the image.
    np.testing.assert_allclose(images.decode(content, "x"), picture.image, atol=1.5 / 255)
    assert picture.notes == ()


def test_encode_png_keeps_transparency_beside_a_color_profile(read):
    values = np.concatenate([100 + noise(8, 20, 30, 3) // 4, noise(8, 20, 30, 1) | 64], axis=2)
    picture = read(png(values, iccp(profile("Adobe RGB"))))
    actual = imagecodecs.png_decode(photo.encode_png(picture.image, picture))
    np.testing.assert_array_equal(actual, values)


def test_read_notes_colors_outside_of_srgb(read):
    values = np.full((80, 80, 3), 128, np.uint8)
    values[:16, :16] = 0, 255, 0
    picture = read(png(values, iccp(profile("Adobe RGB"))))
    np.testing.assert_allclose(picture.image[0, 0], [0, 1, 0], atol=1e-3)
    assert picture.notes == ("its colors outside of sRGB are clipped",)


@pytest.mark.parametrize("name", PRIMARIES)
def test_read_gives_the_colors_of_the_profile(read, name):
    values = noise(8, 20, 30, 3)
    actual = read(png(values, iccp(profile(name)))).image
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile(name))),
        ImageCms.createProfile("sRGB"),
        *("RGB", "RGB"),
    )
    desired = np.asarray(transform.apply(Image.fromarray(values))) / 255
    np.testing.assert_allclose(actual, desired, atol=1.5 / 255)


def test_encode_png_brings_gray_into_the_profile(read):
    values = noise(8, 20, 30, 1)
    picture = read(png(values, iccp(profile("Adobe RGB"))))
    actual = imagecodecs.png_decode(photo.encode_png(picture.image, picture))
    np.testing.assert_allclose(actual, np.broadcast_to(values, (20, 30, 3)), atol=1)


@pytest.mark.parametrize("content", [b"not a profile", profile("Adobe RGB")[:300]])
def test_read_notes_a_broken_color_profile(read, content):
    values = noise(8, 20, 30, 3)
    actual = read(png(values, iccp(content)))
    np.testing.assert_array_equal(actual.image, values / np.float32(255))
    assert actual.profile is None
    assert actual.notes == ("its color profile is broken and not applied",)


def test_read_notes_a_gray_profile(read):
    values = np.full((2, 2, 1), 32768, np.uint16)
    linear = imagecodecs.cms_profile("gray", whitepoint=(0.3127, 0.329), gamma=1.0)
    actual = read(png(values, iccp(linear)))
    assert actual.image.shape == (2, 2, 3)
    np.testing.assert_allclose(actual.image, 0.735, atol=0.001)  # 0.5 as sRGB spells it
    assert actual.profile is None
    assert actual.notes == ("its gray profile is not kept; the result is in sRGB",)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
@pytest.mark.parametrize("space", ["gray", "rgb"])
def test_read_and_images_read_apply_a_profile_to_gray(read, tmp_path, space, mode, kind):
    levels = np.linspace(0, 1, 256).reshape(16, 16)
    primaries = PRIMARIES["Adobe RGB"] if space == "rgb" else None
    cubed = imagecodecs.cms_profile(
        space, whitepoint=(0.3127, 0.329), primaries=primaries, gamma=3.0
    )
    gray = Image.fromarray(np.round(levels * 255).astype(np.uint8)).convert(mode)
    if mode == "I;16":
        gray = Image.fromarray(np.round(levels * 65535).astype(np.uint16))
    actual = read(save(gray, kind, icc_profile=cubed))
    light = levels**3
    desired = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    for image in (actual.image, images.read(tmp_path / "x.png")):
        np.testing.assert_allclose(image, desired[..., None].repeat(3, 2), atol=1.5 / 255)
    assert actual.profile == (cubed if space == "rgb" else None)


def test_read_notes_cmyk(read):
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow make red
    actual = read(save(inks, "JPEG", quality=100))
    np.testing.assert_allclose(actual.image, np.broadcast_to([1, 0, 0], (16, 16, 3)), atol=0.02)
    assert actual.notes == ("its cmyk space is not kept; the result is in sRGB",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
def test_encode_png_writes_an_upright_picture(read, tmp_path, bits, orientation):
    values = noise(8, 20, 30, 3).astype(f"u{bits // 8}") * (257 if bits == 16 else 1)
    block = exif(orientation).removeprefix(b"Exif\0\0")
    picture = read(png(values, chunk(b"eXIf", block)))
    np.testing.assert_allclose(picture.image, images.read(tmp_path / "x.png"), atol=1e-6)
    actual = Image.open(io.BytesIO(photo.encode_png(picture.image, picture, bits))).getexif()
    assert dict(actual).keys() == {DESCRIPTION, EXIF_IFD}
    assert actual.get_ifd(EXIF_IFD) == {TAKEN: "2011:08:21 12:00:00"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_encode_png_keeps_metadata(read, kind):
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    packet = {"pnginfo": texts} if kind == "PNG" else {"xmp": XMP}
    original = Image.fromarray(100 + noise(8, 20, 30, 3) // 4)  # in sRGB
    icc = profile("Display P3")
    picture = read(save(original, kind, exif=exif(6), dpi=(300, 300), icc_profile=icc, **packet))
    actual = Image.open(io.BytesIO(photo.encode_png(picture.image, picture)))
    assert actual.getexif()[DESCRIPTION] == "a pagoda"
    assert actual.info["icc_profile"] == icc
    assert actual.info["xmp"] == XMP
    if kind != "WEBP":
        np.testing.assert_allclose(actual.info["dpi"], (300, 300), atol=0.01)
    assert picture.notes == ()


@pytest.mark.parametrize(("kind", "channels"), [("u1", 3), ("u2", 3), ("u2", 4), ("u2", 1)])
def test_read_notes_the_bits_of_a_tiff_that_are_lost(read, kind, channels):
    values = np.random.default_rng(0).integers(0, 256, (20, 30, channels), kind)
    color = "rgb" if channels > 1 else "minisblack"
    alpha = {"extrasample": "unassalpha"} if channels == 4 else {}
    content = imagecodecs.tiff_encode(values.squeeze(), photometric=color, **alpha)
    picture = read(content)
    lost = kind == "u2" and channels > 1
    assert picture.bits == (16 if kind == "u2" and not lost else 8)
    assert picture.notes == (lost * ("its 16 bits are read as 8; as a PNG it would keep them",))


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_encode_png_keeps_what_a_tiff_says_of_the_picture_alone(read, mode, compression):
    original = Image.fromarray(noise(8, 20, 30, 3)).convert(mode)
    about = {DESCRIPTION: "a pagoda", XMP_TAG: XMP}
    picture = read(save(original, "TIFF", tiffinfo=about, compression=compression, dpi=(300, 300)))
    actual = Image.open(io.BytesIO(photo.encode_png(picture.image, picture)))
    density = {ExifTags.Base[f"{name}Resolution"] for name in "XY"} | {ExifTags.Base.ResolutionUnit}
    assert dict(actual.getexif()).keys() == {DESCRIPTION} | density
    assert actual.info["xmp"] == XMP


def test_encode_png_has_the_profile_of_a_tiff_once(read):
    original = Image.fromarray(noise(8, 20, 30, 3))
    picture = read(save(original, "TIFF", icc_profile=profile("Adobe RGB")))
    actual = Image.open(io.BytesIO(photo.encode_png(picture.image, picture)))
    assert actual.info["icc_profile"] == profile("Adobe RGB")
    assert ExifTags.Base.InterColorProfile not in actual.getexif()


def test_read_ignores_an_xmp_packet_of_another_type(read):
    about = TiffImagePlugin.ImageFileDirectory_v2()
    about.tagtype[XMP_TAG], about[XMP_TAG], about[ORIENTATION] = TiffTags.ASCII, XMP.decode(), 1
    assert read(save(Image.new("RGB", (8, 8)), "TIFF", tiffinfo=about)).xmp is None


@pytest.mark.parametrize("dpi", [0, 5e9])
def test_read_ignores_an_absurd_resolution(read, dpi):
    density = struct.pack(">IIB", *[min(round(dpi / 0.0254), 2**32 - 1)] * 2, 1)
    assert read(png(noise(8, 2, 3, 3), chunk(b"pHYs", density))).dpi is None


@pytest.mark.parametrize("block", [b"II*\0\xff\xff\xff\xff", b"nothing of the kind"])
@pytest.mark.parametrize("bits", [8, 16])
def test_read_keeps_a_picture_with_broken_exif(read, bits, block):
    picture = read(png(noise(bits, 20, 30, 3), chunk(b"eXIf", block)))
    assert picture.image.shape == (20, 30, 3)
    assert photo.encode_png(picture.image, picture, bits)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "orientation",
    [
        b' tiff:Orientation="6"/>',
        b"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>",
    ],
    ids=["attribute", "element"],
)
def test_encode_png_writes_an_upright_picture_of_one_with_broken_exif(read, bits, orientation):
    values = noise(bits, 20, 30, 3)
    unit = struct.pack("<HHI4s", 0x0128, 2, 4, b"cm")  # a number, by the standard
    block = b"II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", ORIENTATION, 3, 1, 6) + unit + bytes(4)
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.replace(b"/>", orientation)
    picture = read(png(values, chunk(b"eXIf", block), chunk(b"iTXt", xmp)))
    assert picture.notes == ("its EXIF data is broken and not kept",)
    assert b"Orientation" not in picture.xmp
    actual = photo.encode_png(picture.image, picture, bits)
    desired = values.swapaxes(0, 1)[:, ::-1]
    np.testing.assert_array_equal(imagecodecs.png_decode(actual), desired)
    assert ORIENTATION not in Image.open(io.BytesIO(actual)).getexif()


def test_read_notes_frames(read):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    actual = read(save(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    assert actual.notes == ("only the first of its frames is kept",)
    np.testing.assert_array_equal(actual.image[0, 0], [1, 0, 0])


def test_read_notes_what_else_is_lost(read):
    text = chunk(b"tEXt", b"Title\0A pagoda")
    linear = chunk(b"gAMA", struct.pack(">I", 100_000))
    actual = read(png(noise(8, 2, 3, 3), linear, text))
    assert actual.notes == ("not kept: Title, gamma",)
    assert read(save(Image.new("RGB", (8, 8)), "JPEG", comment="a pagoda")).notes == (
        "not kept: comment",
    )


def test_read_knows_srgb_in_other_words(read):
    numbers = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]
    gamma = chunk(b"gAMA", struct.pack(">I", 45455))
    assert (
        read(png(noise(8, 2, 3, 3), gamma, chunk(b"cHRM", struct.pack(">8I", *numbers)))).notes
        == ()
    )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda content: content[: len(content) // 2], r"x\.png is not a readable image: "),
        (lambda content: content[:-40], r"x\.png is not a readable image: "),
        (lambda content: b"some text", r"x\.png is not a readable image: not an image in"),
        (lambda content: content[:20], r"x\.png is not a readable image: "),
    ],
)
def test_read_refuses_a_broken_file(read, edit, message, bits):
    with pytest.raises(InputError, match=message):
        read(edit(png(noise(bits, 64, 64, 3))))


@pytest.mark.parametrize("bits", [8, 16])
def test_read_refuses_a_decompression_bomb(read, bits):
    with pytest.raises(InputError, match=r"x\.png has more than \d+ megapixels; make it smaller"):
        read(png(noise(bits, 2, 3, 3), width=100_000))


def test_read_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.png does not exist"):
        photo.read(tmp_path / "none.png")
