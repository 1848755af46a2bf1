"""Mask files: named, gray or in one colored map, and what no mask covers."""

import numpy as np
import pytest
from PIL import Image

from styleinv import images, masks
from styleinv.errors import InputError
from styleinv.manifest import read_manifest
from styleinv.masks import MaskFile

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
SHAPE = (40, 60)


@pytest.fixture
def files(tmp_path):
    """A folder with left.png and top.png (gray), and map.png: red left, green top right, blue."""
    left, top = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    left[:, :20] = 255
    left[:, 20] = 128
    top[:10, 21:] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    Image.fromarray(top).save(tmp_path / "top.png")
    colors = np.full((*SHAPE, 3), BLUE, np.uint8)
    colors[:10] = GREEN
    colors[:, :20] = RED
    Image.fromarray(colors).save(tmp_path / "map.png")
    return tmp_path


def test_parse_names_gray_files(files):
    actual = masks.parse([f"sky={files}/top.png", f"wall_2={files}/left.png"])
    assert actual == {"sky": MaskFile(files / "top.png"), "wall_2": MaskFile(files / "left.png")}


@pytest.mark.parametrize("name", ["my-sky", "sky.2", "sky+sea", "my sky"])
def test_a_region_has_the_name_in_a_flag_that_it_has_in_a_manifest(files, name):
    assert masks.parse([f"{name}={files}/top.png"]) == {name: MaskFile(files / "top.png")}
    (files / "metadata.csv").write_text(f"file_name,mask_{name}\nmap.png,top.png\n")
    assert read_manifest(files / "metadata.csv")[0].masks == {name: MaskFile(files / "top.png")}


@pytest.mark.parametrize("name", ["..", "../sky", "-sky", " sky", "sky ", ""])
def test_what_is_no_name_of_a_region_is_none_in_a_flag(name):
    assert masks.split_name(f"{name}=a.png") == ("", f"{name}=a.png")


def test_parse_takes_one_color_of_a_map(files):
    actual = masks.parse([f"sky={files}/map.png#00FF00", f"{files}/map.png#ff0000"])
    assert actual == {
        "sky": MaskFile(files / "map.png", "00ff00"),
        "ff0000": MaskFile(files / "map.png", "ff0000"),
    }


def test_parse_of_a_map_gives_a_region_for_each_color(files):
    assert set(masks.parse([f"{files}/map.png"])) == {"ff0000", "00ff00", "0000ff"}


@pytest.mark.parametrize("name", ["sky=a.png", "a#00ff00"])
def test_parse_prefers_a_file_that_is_there(files, name, monkeypatch):
    monkeypatch.chdir(files)
    (files / "map.png").rename(files / name)
    assert {str(one.path) for one in masks.parse([name]).values()} == {name}


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        (
            ["sky=a.png", "sky=b.png"],
            r"the mask sky \(=sky=b\.png\) is given twice; choose another",
        ),
        (["rest=a.png"], r"the mask rest \(=rest=a\.png\) has a meaning of its own"),
        (["nothing.png"], r"nothing\.png does not exist"),
    ],
)
def test_parse_refuses(texts, match):
    with pytest.raises(InputError, match=match):
        masks.parse(texts)


def test_parse_refuses_a_map_of_one_color(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "gray.png")
    with pytest.raises(
        InputError, match=r"gray\.png has no regions: .* write NAME=FILE for a gray"
    ):
        masks.parse([str(tmp_path / "gray.png")])


@pytest.mark.parametrize(("red", "count"), [(60, 3), (40, 2)])
def test_parse_of_a_map_tells_colors_apart_from_a_distance_on(tmp_path, red, count):
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20, 0], image[:, 20:] = red, 255
    Image.fromarray(image).save(tmp_path / "map.png")
    assert len(masks.parse([str(tmp_path / "map.png")])) == count


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_read_of_a_map_is_a_partition_whatever_its_seams(files, kind):
    path = files / f"seams.{kind}"
    image = Image.open(files / "map.png").resize((240, 160), Image.Resampling.BICUBIC)
    image.save(path, quality=80)
    regions = masks.parse([str(path)])
    assert len(regions) == 3
    found = [masks.read(regions, region, (160, 240), path) for region in regions]
    np.testing.assert_array_equal(sum(found), 1)
    np.testing.assert_allclose(sorted(x.mean() for x in found), [1 / 6, 1 / 3, 1 / 2], atol=0.01)


@pytest.mark.parametrize("names", [["sky"], ["sky", "sea"], ["sky", "rest"]])
def test_read_all_opens_a_map_once(files, monkeypatch, names):
    regions = masks.parse([f"sky={files}/map.png#00ff00", f"sea={files}/map.png#0000ff"])
    opened = []
    read_bytes = masks.images.read_bytes
    monkeypatch.setattr(
        masks.images, "read_bytes", lambda path: opened.append(path) or read_bytes(path)
    )
    found = masks.read_all(regions, names, SHAPE, "a.png")
    assert {one.dtype for one in found.values()} == {np.dtype(np.float32)}
    assert opened == [files / "map.png"]


def test_read_gives_gray_masks_as_they_are_and_the_rest(files):
    regions = masks.parse([f"left={files}/left.png", f"top={files}/top.png"])
    left, top, rest = (masks.read(regions, r, SHAPE, "a.png") for r in ("left", "top", "rest"))
    np.testing.assert_allclose(left[0, 18:23], [1, 1, 128 / 255, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(left + top + rest, 1, atol=1e-6)
    assert rest.dtype == np.float32


def test_read_of_one_region_opens_no_other_mask(files):
    regions = {"left": MaskFile(files / "left.png"), "top": MaskFile(files / "none.png")}
    assert masks.read(regions, "left", SHAPE, "a.png").any()


def test_rest_of_masks_that_overlap_is_not_negative():
    half = np.float32(np.arange(6) < 4) * np.ones((4, 1), np.float32)
    np.testing.assert_array_equal(masks.rest({"a": half, "b": half}), 1 - half)


@pytest.mark.parametrize(("gap", "desired"), [(5, False), (20, True)])
def test_uncovered_is_more_than_a_thousandth(gap, desired):
    mask = np.ones((100, 100), np.float32)
    mask.ravel()[:gap] = 0
    assert masks.uncovered({"a": mask}) == desired


def test_read_gives_each_position_to_its_nearest_color(tmp_path, monkeypatch):
    palette = np.array([(r, g, b) for r in (0, 120, 255) for g in (0, 130) for b in (0, 250)])
    generator = np.random.default_rng(0)
    there = generator.integers(0, len(palette), (40, 60))
    levels = np.clip(palette[there] + generator.integers(-9, 10, (40, 60, 3)), 0, 255)
    levels[:, :30] = palette[there][:, :30]
    Image.fromarray(np.uint8(levels)).save(tmp_path / "map.png")
    monkeypatch.setattr(images, "_STRIP", 7 * 60)
    found = masks.parse([str(tmp_path / "map.png")])
    assert len(found) == len(palette)
    for number, color in enumerate(palette):
        name = "".join(f"{level:02x}" for level in color)
        actual = masks.read(found, name, (40, 60), "p.jpg")
        np.testing.assert_array_equal(actual, there == number)


@pytest.mark.parametrize(
    ("text", "region", "shape", "match"),
    [
        ("a={}/left.png", "sky", SHAPE, r"p\.jpg has no mask_sky \(but a\); add a column mask_sky"),
        ("a={}/left.png", "a", (40, 61), r"left\.png is 60x40 pixels and p\.jpg 61x40; make them"),
        ("a={}/map.png#ff0040", "a", SHAPE, r"map\.png has no color ff0040; its colors are .*0000"),
        ("a={}/black.png", "a", SHAPE, r"black\.png has nothing white; drop the image or mend"),
        ("a={}/white.png", "rest", SHAPE, r"white\.png has nothing black; drop the image or mend"),
    ],
)
def test_read_refuses(files, text, region, shape, match):
    Image.new("L", SHAPE[::-1], 0).save(files / "black.png")
    Image.new("L", SHAPE[::-1], 255).save(files / "white.png")
    with pytest.raises(InputError, match=match):
        masks.read(masks.parse([text.format(files)]), region, shape, "p.jpg")
