"""Files of every kind to images and back; resizing."""

import io
import os
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from styleinv import images, photo
from styleinv.errors import InputError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
COLORS = np.array([[RED, GREEN], [BLUE, (10, 20, 30)], [(255, 255, 255), (0, 0, 0)]], np.uint8)


def encode(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows):
    """A PNG byte by byte; `color` 0 is gray and 2 is RGB."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png16(values):
    """A 16-bit PNG of u16[h, w] or u16[h, w, 3]; Pillow writes none in color."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, 2 if values.ndim == 3 else 0, rows)


def eps():
    return encode(Image.fromarray(COLORS), "EPS")


def tiff(mode, value=0):
    return encode(Image.new(mode, (3, 2), value), "TIFF")


def scanned(count):
    """A progressive JPEG whose last scan comes so many times more."""
    content = encode(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * count + b"\xff\xd9"


def read_mask(path):
    return images.decode_mask(images.read_bytes(path), path)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_decode_gives_the_values_of_a_lossless_file(kind):
    actual = images.decode(encode(Image.fromarray(COLORS), kind, lossless=True), "x")
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, COLORS / np.float32(255))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_decode_reads_lossy_files(kind):
    y, x = np.mgrid[:32, :48]
    desired = np.stack([x / 48, y / 32, (x + y) / 80], axis=2)
    content = encode(Image.fromarray(images.to_bytes(desired)), kind, quality=95)
    np.testing.assert_allclose(images.decode(content, "x"), desired, atol=0.05)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_decode_gives_three_channels_for_every_mode(mode):
    gray = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    actual = images.decode(encode(Image.fromarray(gray).convert(mode)), "x")
    np.testing.assert_array_equal(actual, np.repeat(gray[..., None] / 255, 3, axis=2))


def test_decode_reads_a_palette():
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, 12, 34, 56])
    image.putdata([2, 0, 1])
    desired = np.array([[(12, 34, 56), RED, GREEN]]) / 255
    np.testing.assert_allclose(images.decode(encode(image), "x"), desired, atol=1e-7)


def test_decode_shows_a_transparent_palette_entry_over_white():
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    actual = images.decode(encode(image, transparency=1), "x")
    np.testing.assert_array_equal(actual, [[(1, 0, 0), (1, 1, 1), (0, 0, 1)]])


def test_decode_shows_a_transparent_color_over_white():
    image = Image.fromarray(np.array([[RED, BLUE]], np.uint8))
    actual = images.decode(encode(image, transparency=BLUE), "x")
    np.testing.assert_array_equal(actual, [[(1, 0, 0), (1, 1, 1)]])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_decode_blends_alpha_over_white(kind):
    values = np.array([[(200, 100, 0, 0), (200, 100, 0, 51), (200, 100, 0, 255)]], np.uint8)
    content = encode(Image.fromarray(values), kind, lossless=True)
    color, alpha = np.array([200, 100, 0]) / 255, np.array([[[0.0], [0.2], [1.0]]])
    desired = alpha * color + (1 - alpha)
    np.testing.assert_allclose(images.decode(content, "x"), desired, atol=1e-6)


def test_decode_keeps_all_bits_of_a_16_bit_gray_file():
    values = np.array([[0, 1, 256, 32768, 65535]], np.uint16)
    desired = np.repeat(values[..., None] / 65535, 3, axis=2)
    np.testing.assert_allclose(images.decode(png16(values), "x"), desired, atol=1e-7)


def test_decode_shows_a_transparent_gray_of_16_bits_over_white():
    image = Image.fromarray(np.array([[1000, 1001]], np.uint16))
    actual = images.decode(encode(image, transparency=1000), "x")
    np.testing.assert_allclose(actual[0, :, 0], [1, 1001 / 65535], atol=1e-7)


def test_decode_reads_a_16_bit_color_file_to_8_bits():
    values = np.array([[(0, 65535, 32768), (1000, 40000, 255)]], np.uint16)
    actual = images.decode(png16(values), "x")
    np.testing.assert_allclose(actual, values / 65535, atol=1 / 255)


@pytest.mark.parametrize(
    ("orientation", "desired"),
    [
        (1, COLORS),
        (2, COLORS[:, ::-1]),
        (3, COLORS[::-1, ::-1]),
        (4, COLORS[::-1]),
        (5, COLORS.swapaxes(0, 1)),
        (6, COLORS.swapaxes(0, 1)[:, ::-1]),
        (7, COLORS.swapaxes(0, 1)[::-1, ::-1]),
        (8, COLORS.swapaxes(0, 1)[::-1]),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_decode_turns_a_picture_upright(kind, orientation, desired):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(COLORS), kind, exif=exif.tobytes(), lossless=True)
    np.testing.assert_array_equal(images.decode(content, "x"), desired / np.float32(255))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nothing of the kind"])
def test_decode_keeps_a_picture_with_broken_metadata(kind, exif):
    content = encode(Image.new("RGB", (8, 4), RED), kind, exif=exif)
    assert images.decode(content, "x").shape == (4, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_decode_turns_a_picture_upright_beside_broken_metadata(kind):
    unit = struct.pack("<HHI4s", 0x0128, 2, 4, b"cm")  # a number, by the standard
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + struct.pack("<HHII", 0x0112, 3, 1, 6) + unit + bytes(4)
    actual = images.decode(encode(Image.fromarray(COLORS), kind, exif=exif, lossless=True), "x")
    np.testing.assert_array_equal(actual, COLORS.swapaxes(0, 1)[:, ::-1] / np.float32(255))


def test_decode_turns_cmyk_into_rgb():
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow make red
    actual = images.decode(encode(inks, "JPEG", quality=100), "x")
    np.testing.assert_allclose(actual, np.broadcast_to([1, 0, 0], (16, 16, 3)), atol=0.02)


def swapped_profile():
    """sRGB with the names of its red and blue primaries exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_decode_applies_the_color_profile(mode):
    image = Image.new("RGB", (4, 4), RED).convert(mode)
    actual = images.decode(encode(image, icc_profile=swapped_profile()), "x")
    np.testing.assert_allclose(actual, np.broadcast_to([0, 0, 1], (4, 4, 3)), atol=0.02)


def test_decode_keeps_transparency_beside_a_color_profile():
    values = np.array([[(255, 0, 0, 255), (255, 0, 0, 0)]], np.uint8)
    actual = images.decode(encode(Image.fromarray(values), icc_profile=swapped_profile()), "x")
    np.testing.assert_allclose(actual, [[(0, 0, 1), (1, 1, 1)]], atol=0.02)


def test_decode_ignores_a_broken_color_profile():
    content = encode(Image.new("RGB", (4, 4), RED), icc_profile=b"not a profile")
    np.testing.assert_array_equal(images.decode(content, "x")[0, 0], [1, 0, 0])


def test_decode_mask_gives_one_channel():
    gray = np.array([[0, 51, 255]], np.uint8)
    actual = images.decode_mask(encode(Image.fromarray(gray)), "x")
    np.testing.assert_allclose(actual, [[0, 0.2, 1]], atol=1e-7)
    np.testing.assert_allclose(images.decode_mask(png16(gray * np.uint16(257)), "x"), actual)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_decode_mask_is_off_where_it_is_transparent(mode, kind):
    levels = np.array([[(255, 255), (255, 51), (255, 0), (51, 51), (0, 255)]], np.uint8)
    content = encode(Image.fromarray(levels, "LA").convert(mode), kind)
    actual = images.decode_mask(content, "x")
    np.testing.assert_allclose(actual, [[1, 0.2, 0, 0.04, 0]], atol=1e-7)


@pytest.mark.parametrize(
    ("mode", "colors"),
    [("L", [255, 51]), ("I;16", [65535, 13107]), ("RGB", [(255,) * 3, (51,) * 3])],
)
def test_decode_mask_is_off_where_its_color_is_transparent(mode, colors):
    image = Image.new(mode, (2, 1))
    image.putdata(colors)
    actual = images.decode_mask(encode(image, transparency=colors[0]), "x")
    np.testing.assert_allclose(actual, [[0, 0.2]], atol=1e-7)


def test_decode_mask_is_off_where_its_palette_is_transparent():
    image = Image.new("P", (2, 1))
    image.putpalette([255] * 6)
    image.putdata([0, 1])
    actual = images.decode_mask(encode(image, transparency=0), "x")
    np.testing.assert_array_equal(actual, [[0, 1]])


def test_decode_refuses_what_is_no_image():
    with pytest.raises(InputError, match=r"^x\.png is not a readable image: not an image in"):
        images.decode(b"some text", "x.png")


def test_decode_refuses_a_truncated_file():
    content = encode(Image.effect_noise((64, 64), 50), "JPEG")
    with pytest.raises(InputError, match=r"^x\.jpg is not a readable image: .*truncated"):
        images.decode(content[: len(content) // 2], "x.jpg")


def test_decode_refuses_a_decompression_bomb():
    content = png(100_000, 100_000, 8, 2, b"")
    with pytest.raises(InputError, match=r"^x\.png has more than \d+ megapixels; make it smaller"):
        images.decode(content, "x.png")


def test_read_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.png does not exist"):
        images.read(tmp_path / "none.png")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        images.read(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, r"x\.png is a pipe or a device; give a file"),
        (lambda path: path.symlink_to("/dev/zero"), r"x\.png is a pipe or a device; give a file"),
        (lambda path: path.symlink_to(path), r"x\.png cannot be read: Too many levels"),
        (lambda path: path.touch() or os.truncate(path, 1 << 40), r"x\.png has 1,099\.5 GB; make"),
        (lambda path: path.write_bytes(eps()), r"x\.png is not .*: not an image in a format that"),
        (lambda path: path.write_bytes(tiff("F", np.nan)), r"x\.png is not .* that are not finite"),
        (lambda path: path.write_bytes(scanned(200)), r"x\.png is not .*: 206 scans in \S+ bytes"),
    ],
    ids=["pipe", "device", "loop", "size", "EPS", "nan", "scans"],
)
@pytest.mark.parametrize("read", [images.read, photo.read, read_mask], ids=["", "photo", "mask"])
def test_read_refuses(tmp_path, read, make, message):
    make(tmp_path / "x.png")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "x.png")


@pytest.mark.parametrize("read", [images.read, photo.read])
def test_read_refuses_a_palette_that_is_missing(tmp_path, read):
    (tmp_path / "x.png").write_bytes(png(1, 1, 8, 3, b"\0\0"))
    with pytest.raises(InputError, match=r"x\.png is not a readable image"):
        read(tmp_path / "x.png")


def test_decode_mask_refuses_colors_that_have_no_gray():
    with pytest.raises(InputError, match="conversion from LAB to RGB not supported"):
        images.decode_mask(tiff("LAB"), "x.tif")


def test_read_refuses_a_name_with_a_nul():
    with pytest.raises(InputError, match=r"'a\\x00\.png' is not a file name"):
        images.read("a\0.png")


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "RGB", "RGBA", "CMYK", "P"])
@pytest.mark.parametrize("read", [images.read, lambda path: photo.read(path).image, read_mask])
def test_read_gives_the_same_in_strips(tmp_path, monkeypatch, read, mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8))
    profile = imagecodecs.cms_profile("adobergb")
    kind = "TIFF" if mode == "CMYK" else "PNG"
    image.convert(mode).save(tmp_path / "x", kind, icc_profile=None if mode == "L" else profile)
    desired = read(tmp_path / "x")
    monkeypatch.setattr(images, "_STRIP", 7 * 30)
    np.testing.assert_array_equal(read(tmp_path / "x"), desired)


def test_read_gives_the_file(pictures):
    actual = images.read(pictures / "a.png")
    assert (actual.shape, actual.dtype) == ((48, 64, 3), np.float32)
    assert 0 <= actual.min() < actual.max() <= 1


def test_read_gives_real_photographs(shared):
    paths = sorted((shared / "transfer").iterdir())
    assert paths
    for path in paths:
        image = images.read(path)
        assert image.shape[2] == 3
        assert 0.05 < image.std() < 0.5


@pytest.mark.parametrize("resolution", [16, 64, 256])
@pytest.mark.parametrize("aspect", [1 / 6, 1 / 3, 1 / 2, 2 / 3, 1, 4 / 3, 16 / 9, 2, 5])
def test_frame_keeps_aspect_and_area(aspect, resolution):
    height, width = images.frame(1200, round(1200 * aspect), resolution)
    # A side is rounded to a unit, so an aspect is off by at most half a unit on either side.
    sides = np.array([16 * aspect**-0.5, 16 * aspect**0.5])
    np.testing.assert_allclose([height, width], sides * resolution / 16, atol=resolution / 32)
    assert 0.9 < height * width / resolution**2 < 1.1


def test_frame_has_the_same_few_shapes():
    sizes = [(h, w) for h in range(300, 1000, 7) for w in range(h * 2 // 3, h * 3 // 2, 7)]
    frames = {images.frame(h, w, 256) for h, w in sizes}
    assert len(sizes) > 5000
    assert len(frames) < 20
    halves = {images.frame(h, w, 128) for h, w in sizes}
    assert halves == {(h // 2, w // 2) for h, w in frames}


def test_frame_does_not_depend_on_the_size():
    assert images.frame(60, 90, 64) == images.frame(600, 900, 64) == images.frame(6000, 9000, 64)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 10_000), (10_000, 1)])
def test_frame_is_never_empty(height, width):
    assert min(images.frame(height, width, 16)) >= 1


def disk(height, width, radius):
    y, x = np.mgrid[:height, :width]
    inside = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= radius**2
    return np.float32(inside)


@pytest.mark.parametrize("height", [120, 240, 480])
@pytest.mark.parametrize("shape", [(64, 64), (48, 96), (96, 48), (200, 120)])
def test_resize_keeps_a_circle_round(height, shape):
    image = disk(height, 240, 50)
    resized = images.resize(image, *shape)
    scale = max(shape[0] / height, shape[1] / 240)
    # Its chords through the center, which is where it was.
    rows, columns = resized[:, shape[1] // 2].sum(), resized[shape[0] // 2].sum()
    np.testing.assert_allclose(
        [rows, columns], [min(100 * scale, shape[0]), min(100 * scale, shape[1])], atol=1
    )
    np.testing.assert_allclose(resized, resized[::-1], atol=1e-4)
    np.testing.assert_allclose(resized, resized[:, ::-1], atol=1e-4)


def test_resize_crops_both_sides_evenly():
    image = np.tile(np.linspace(0, 1, 90, dtype=np.float32), (30, 1))
    actual = images.resize(image, 30, 30)
    np.testing.assert_allclose(actual, image[:, 30:60], atol=1e-6)


def test_resize_to_its_own_size_changes_nothing(pictures):
    image = images.read(pictures / "b.png")
    np.testing.assert_allclose(images.resize(image, 48, 64), image, atol=1e-6)


def test_resize_is_antialiased():
    y, x = np.mgrid[:128, :128]
    board = np.repeat(np.float32((x + y) % 2)[..., None], 3, axis=2)
    np.testing.assert_allclose(images.resize(board, 24, 24), 0.5, atol=0.02)


def test_resize_stays_in_range():
    image = disk(64, 64, 20)  # the Lanczos kernel overshoots at its edge
    enlarged = images.resize(image, 200, 200)
    assert (enlarged.min(), enlarged.max(), enlarged.dtype) == (0, 1, np.float32)


def test_resize_keeps_smooth_content():
    def scene(side):
        y, x = np.mgrid[:side, :side] / side + 0.5 / side
        return np.stack([x, y, 0.5 + 0.4 * np.sin(5 * x) * np.cos(4 * y)], axis=2)

    np.testing.assert_allclose(images.resize(scene(200), 64, 64), scene(64), atol=0.01)


def test_to_bytes_rounds_and_clips():
    actual = images.to_bytes(np.array([-1.0, 0.0, 0.49 / 255, 0.51 / 255, 1.0, 7.0]))
    assert actual.dtype == np.uint8
    np.testing.assert_array_equal(actual, [0, 0, 0, 1, 255, 255])


def test_encode_png_is_read_back(pictures):
    image = images.read(pictures / "c.png")
    np.testing.assert_array_equal(images.decode(images.encode_png(image), "x"), image)
