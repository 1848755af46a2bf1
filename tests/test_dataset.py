"""Folders and manifests to items; weights, subsets; streaming."""

import hashlib
import re
import threading
import time
import weakref
from collections import Counter

import numpy as np
import pytest
from permissions import locked
from PIL import Image

from styleinv import dataset, images
from styleinv.dataset import Item
from styleinv.errors import InputError
from styleinv.masks import MaskFile


@pytest.fixture
def manifest(pictures):
    """A function: lines of metadata.csv -> the folder of four pictures, with it."""

    def write(*lines, encoding="utf-8", newline="\n"):
        (pictures / "metadata.csv").write_bytes(newline.join(lines).encode(encoding))
        return pictures

    return write


@pytest.fixture
def masks(pictures):
    """The folder with masks/a.png .. d.png, white in the left half."""
    folder = pictures / "masks"
    folder.mkdir()
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    for name in "abcd":
        Image.fromarray(mask).save(folder / f"{name}.png")
    return pictures


def names(items):
    return [item.name for item in items]


def items_of(count, weights=None):
    return [Item(f"{i:03d}.png", f"{i:03d}.png", w) for i, w in enumerate(weights or [1] * count)]


def test_find_gives_the_images_of_a_folder_by_name(pictures):
    Image.open(pictures / "a.png").save(pictures / "B2.JPG")
    Image.open(pictures / "a.png").save(pictures / "e.webp")
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden.png").write_text("no picture")
    items = dataset.find(pictures)
    assert names(items) == ["B2.JPG", "a.png", "b.png", "c.png", "d.png", "e.webp"]
    assert {(item.weight, len(item.masks)) for item in items} == {(1.0, 0)}
    assert all(item.path.is_file() for item in items)


def test_find_takes_a_single_image(pictures):
    assert dataset.find(pictures / "b.png") == [Item("b.png", pictures / "b.png")]


@pytest.mark.parametrize(
    ("source", "desired"),
    [
        ("a.png,", ["a.png"]),
        ("a.png,,b.png", ["a.png", "b.png"]),
        (" a.png , sky=b.png", ["a.png", "b.png"]),
        ("b.png,d.png ", ["b.png", "d.png "]),
        ("c,", ["c,"]),
    ],
)
def test_find_takes_a_list_whatever_is_beside_its_commas(pictures, monkeypatch, source, desired):
    monkeypatch.chdir(pictures)
    (pictures / "d.png").rename("d.png ")
    (pictures / "c.png").rename("c,")
    assert names(dataset.find(source)) == desired


@pytest.mark.parametrize("source", ["", ",", " , "])
def test_find_refuses_a_list_of_nothing(source):
    with pytest.raises(InputError, match=rf"'{source}' names no picture; give a folder of images"):
        dataset.find(source)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", r"none does not exist; give a folder of images or an image"),
        ("empty", r"dataset .*empty holds no images \(\.png, .*\) and no metadata\.csv"),
    ],
)
def test_find_refuses_a_folder_without_images(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        dataset.find(tmp_path / name)


def test_find_refuses_the_folder_of_a_run(pictures):
    """Its charts are no pictures."""
    for name in ("config.json", "run.json"):
        (pictures / name).write_text("{}")
    with pytest.raises(InputError, match=r"pictures is the folder of a run; name its style\.png"):
        dataset.find(pictures)


def test_find_names_the_pictures_of_a_folder_that_it_leaves_out(pictures, caplog):
    (pictures / "notes.txt").write_text("no picture")
    for name in ("x.heic", "Old.TIF"):
        (pictures / name).write_bytes(b"")
    for _ in range(2):
        assert names(dataset.find(pictures)) == ["a.png", "b.png", "c.png", "d.png"]
    (line,) = [record.getMessage() for record in caplog.records]  # and not at each look
    assert re.search(r"2 files are left out of \S+ \(Old\.TIF, x\.heic\): only PNG, JPEG and", line)


def test_a_folder_that_cannot_be_read_is_refused(pictures):
    items = dataset.find(pictures)
    with locked(pictures):
        for use in (dataset.find, lambda folder: dataset.with_originals(items, folder)):
            with pytest.raises(InputError, match=r"pictures cannot be read: Permission denied"):
                use(pictures)


def test_find_keeps_the_order_of_the_manifest(manifest):
    folder = manifest("file_name,weight", "d.png,2", "a.png,0.5", "b.png,")
    desired = [
        Item("d.png", folder / "d.png", 2.0),
        Item("a.png", folder / "a.png", 0.5),
        Item("b.png", folder / "b.png", 1.0),
    ]
    assert dataset.find(folder) == desired


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_find_reads_manifests_as_spreadsheets_write_them(manifest, encoding, newline):
    lines = ["file_name,text,weight,", 'a.png,"one, or two",3,', "", "b.png,späte Stunde,1,"]
    items = dataset.find(manifest(*lines, encoding=encoding, newline=newline))
    assert [(item.name, item.weight) for item in items] == [("a.png", 3), ("b.png", 1)]


def test_find_passes_over_spaces_beside_the_commas_of_a_manifest(masks):
    lines = ["file_name, weight , mask_sky,text", 'a.png, 9, masks/a.png, "one, two"', "b.png , ,"]
    (masks / "metadata.csv").write_text("\n".join(lines))
    assert dataset.find(masks) == [
        Item("a.png", masks / "a.png", 9.0, {"sky": MaskFile(masks / "masks" / "a.png")}),
        Item("b.png", masks / "b.png"),
    ]


def test_find_reads_masks_relative_to_the_folder(masks):
    (masks / "metadata.csv").write_text("file_name,mask\na.png,masks/a.png\nb.png,\n")
    assert [item.masks for item in dataset.find(masks)] == [
        {"mask": MaskFile(masks / "masks" / "a.png")},
        {},
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,weight", "a.png,1"], r"metadata\.csv has no column file_name, but name, weight"),
        ([""], r"has no column file_name, but nothing"),
        (["file_name,weight"], r"lists no images; add a line for each"),
        (["file_name", "a.png,1"], r"line 2: there are more cells than columns"),
        (["file_name,weight", ",1"], r"line 2: file_name is empty"),
        (["file_name,weight", "a.png,1", "", "b.png,-1"], r"line 4: weight \(=-1\) must be"),
        (["text,file_name,weight", '"two', 'lines",a.png,x'], r"line 3: weight \(=x\) must be"),
        (["file_name,weight", "a.png,nan"], r"line 2: weight \(=nan\) must be a number, 0 or"),
        (["file_name,weight", "a.png,inf"], r"line 2: weight \(=inf\) must be a number, 0 or"),
        (["file_name", "a.png", "a.png"], r"line 3: a\.png is listed twice; use its weight"),
        (["file_name", "a.png", "./a.png"], r"line 3: \./a\.png is listed twice"),
        (["file_name", "a.png", "link.png"], r"line 3: link\.png is listed twice"),
        (["file_name", "../a.png"], r"line 2: \.\./a\.png is outside of the folder"),
        (["file_name", "/etc/hostname"], r"line 2: /etc/hostname is outside of the folder"),
        (["file_name", "a\0.png"], r"line 2: 'a\\x00\.png' is not a file name"),
        (["file_name,mask", "a.png,../m.png"], r"line 2: \.\./m\.png is outside of the folder"),
        (
            ["file_name,mask_rest", "a.png,m.png"],
            r"has a column mask_rest, a name with another meaning",
        ),
        (
            ["file_name,mask_all", "a.png,m.png"],
            r"has a column mask_all, a name with another meaning",
        ),
        (["file_name,mask_../x", "a.png,"], r"has a column 'mask_\.\./x'; name regions in letters"),
        (["file_name,mask_", "a.png,m.png"], r"has a column 'mask_'; name regions in letters"),
        (["file_name,weight, weight", "a.png,1,2"], r"has two columns weight; rename or remove"),
        (["file_name,mask,mask_mask", "a.png,,"], r"has two columns mask; rename or remove one"),
        (["file_name", "loop.png"], r"loop\.png cannot be read: Too many levels"),
        (["file_name", '"a.png'], r"metadata\.csv is not a UTF-8 CSV file: unexpected end"),
    ],
)
def test_find_says_what_is_wrong_with_a_manifest(manifest, lines, message):
    folder = manifest(*lines)
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "link.png").symlink_to("a.png")
    with pytest.raises(InputError, match=message):
        dataset.check(dataset.find(folder))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_find_refuses_a_manifest_in_another_encoding(manifest, encoding):
    folder = manifest("file_name,text", "a.png,größer", encoding=encoding)
    with pytest.raises(InputError, match=r"metadata\.csv is not a UTF-8 CSV file"):
        dataset.find(folder)


def test_find_does_not_follow_a_link_out_of_the_folder(manifest, tmp_path):
    folder = manifest("file_name", "link.png")
    (tmp_path / "secret.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match=r"link\.png is outside of the folder"):
        dataset.find(folder)


def test_find_does_not_follow_a_link_out_of_a_folder_without_a_manifest(pictures, tmp_path):
    (pictures / "near.png").symlink_to("a.png")
    assert len(dataset.find(pictures)) == 5
    (tmp_path / "secret.png").write_bytes((pictures / "a.png").read_bytes())
    (pictures / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match=r"link\.png is a link out of its folder; copy the pic"):
        dataset.find(pictures)


def test_find_follows_a_link_to_the_folder(manifest, tmp_path):
    (tmp_path / "link").symlink_to(manifest("file_name", "a.png"))
    assert names(dataset.find(tmp_path / "link")) == ["a.png"]


def test_shares_refuses_weights_that_cannot_be_added():
    with pytest.raises(InputError, match=r"too large to be added; make them smaller"):
        dataset.shares(items_of(2, [1e308, 1e308]))


def test_reweigh_replaces_the_weights():
    items = dataset.reweigh(items_of(3), [0.0, 2.0, 1.5])
    assert [item.weight for item in items] == [0.0, 2.0, 1.5]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"config\.dataset\.weights has 2 numbers for 3 images; give one for each"),
        ([1.0, -2.0, 1.0], r"config\.dataset\.weights: weight \(=-2\.0\) must be a number, 0 or"),
        ([1.0, np.nan, 1.0], r"config\.dataset\.weights: weight \(=nan\) must be a number, 0 or"),
    ],
)
def test_reweigh_refuses_bad_weights(weights, message):
    with pytest.raises(InputError, match=message):
        dataset.reweigh(items_of(3), weights)


def test_subset_keeps_the_order():
    items = items_of(20)
    for size in range(1, 21):
        chosen = names(dataset.subset(items, size, seed=3))
        assert len(chosen) == size
        assert chosen == sorted(chosen)


def test_subset_is_drawn_by_the_seed():
    items = items_of(20)
    draws = [tuple(names(dataset.subset(items, 5, seed))) for seed in range(8)]
    assert draws == [tuple(names(dataset.subset(items, 5, seed))) for seed in range(8)]
    assert len(set(draws)) == 8


def test_subset_draws_every_item_alike():
    counts = Counter(name for s in range(400) for name in names(dataset.subset(items_of(8), 2, s)))
    # Binomial with n = 400 and p = 1/4: five standard deviations are 43.
    assert len(counts) == 8
    assert all(abs(count - 100) < 43 for count in counts.values())


def test_subset_is_nested():
    items = items_of(20)
    for size in range(1, 20):
        smaller = set(names(dataset.subset(items, size, seed=1)))
        assert smaller < set(names(dataset.subset(items, size + 1, seed=1)))


def test_subset_of_size_zero_takes_all():
    assert dataset.subset(items_of(7), 0, seed=5) == items_of(7)


def test_subset_refuses_more_than_there_are():
    with pytest.raises(InputError, match=r"size \(=9\) is more than the 8 images .*; use 8 or few"):
        dataset.subset(items_of(8), 9, seed=0)


def test_shares_sum_to_one_and_leave_out_zeros():
    items = dataset.shares(items_of(4, [3.0, 0.0, 1.0, 4.0]))
    assert [(item.name, item.weight) for item in items] == [
        ("000.png", 0.375),
        ("002.png", 0.125),
        ("003.png", 0.5),
    ]


def test_shares_refuses_zeros_only():
    with pytest.raises(InputError, match=r"all weights of the dataset are zero; give at least one"):
        dataset.shares(items_of(2, [0.0, 0.0]))


def test_check_gives_digest_and_size(pictures):
    checked = dataset.check(dataset.find(pictures))
    assert [(one.height, one.width) for one in checked] == [(48, 64)] * 4
    desired = hashlib.sha256((pictures / "c.png").read_bytes()).hexdigest()
    assert checked[2].digest == desired


def test_check_gives_what_the_regions_mask_covers(masks):
    gray = np.zeros((48, 64), np.uint8)
    gray[:, :16], gray[:, 16:32] = 255, 102
    Image.fromarray(gray).save(masks / "masks" / "a.png")
    (masks / "metadata.csv").write_text("file_name,mask\na.png,masks/a.png\n")
    items = dataset.find(masks)
    actual = [dataset.check(items, region)[0].covered for region in ("mask", "rest", "all")]
    assert actual == [pytest.approx(0.35), pytest.approx(0.65), None]


def test_check_of_a_picture_for_one_region_goes_by_its_mask(masks):
    for column, desired in (("mask_sky", 0.5), ("text", None)):
        (masks / "metadata.csv").write_text(f"file_name,{column}\na.png,masks/a.png\n")
        (checked,) = dataset.check(dataset.find(f"sky={masks}"), "sky")
        assert checked.covered == desired


def test_check_names_all_unreadable_files_at_once(pictures):
    (pictures / "b.png").write_bytes((pictures / "b.png").read_bytes()[:200])
    (pictures / "d.png").write_text("no picture")
    (pictures / "e.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"^3 of 5 images cannot be used: ") as caught:
        dataset.check(dataset.find(pictures))
    message = str(caught.value)
    assert [name for name in "abcde" if f"{name}.png" in message] == ["b", "d", "e"]
    assert "\n" not in message


def test_check_shortens_a_long_list(tmp_path):
    for i in range(30):
        (tmp_path / f"{i:02d}.png").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"^30 of 30 .*19\.png[^;]*; and also 20\.png, .*, 29\.png$"
    ):
        dataset.check(dataset.find(tmp_path))


def test_check_refuses_masks_that_do_not_fit(masks):
    rows = ["a.png,masks/a.png", "b.png,", "c.png,masks/c.png", "d.png,masks/none.png"]
    (masks / "metadata.csv").write_text("\n".join(["file_name,mask", *rows]))
    Image.new("L", (64, 47), 255).save(masks / "masks" / "c.png")
    items = dataset.find(masks)
    dataset.check(items)  # masks are not looked at
    with pytest.raises(InputError, match=r"^3 of 4 images cannot be used: ") as caught:
        dataset.check(items, "mask")
    message = str(caught.value)
    assert "b.png has no mask; add a column mask or use region=all" in message
    assert f"c.png is 64x47 pixels and {masks / 'c.png'} 64x48; make them equal" in message
    assert "none.png does not exist" in message


@pytest.mark.parametrize(("region", "value"), [("mask", 0), ("rest", 255)])
def test_check_refuses_an_empty_region(masks, region, value):
    (masks / "metadata.csv").write_text("file_name,mask\na.png,masks/a.png\n")
    Image.new("L", (64, 48), value).save(masks / "masks" / "a.png")
    color = {"mask": "white", "rest": "black"}[region]
    with pytest.raises(InputError, match=rf"a\.png has nothing {color}; drop the image or mend"):
        dataset.check(dataset.find(masks), region)


def test_check_refuses_what_it_is_told_to(masks):
    (masks / "metadata.csv").write_text("file_name,mask\na.png,masks/a.png\n")

    def refuse(mask, item):
        raise InputError(f"{item.name} has a mask of {mask.mean():g}")

    with pytest.raises(InputError, match=r"^a\.png has a mask of 0\.5$"):
        dataset.check(dataset.find(masks), "mask", refuse)


def test_stream_gives_every_item_at_every_resolution(pictures):
    items = dataset.find(pictures)
    streamed = list(dataset.stream(items, (16, 32)))
    assert [item for item, _ in streamed] == items
    for item, views in streamed:
        image = images.read(item.path)
        assert list(views) == [16, 32]
        for resolution, view in views.items():
            shape = images.frame(48, 64, resolution)
            assert view.masks == {"all": None}
            np.testing.assert_array_equal(view.image, images.resize(image, *shape))


def test_stream_gives_masks_of_both_regions(masks):
    (masks / "metadata.csv").write_text("file_name,mask\na.png,masks/a.png\n")
    items = dataset.find(masks)
    ((_, views),) = dataset.stream(items, (32,), ("mask", "rest"))
    mask, rest = (views[32].masks[region] for region in ("mask", "rest"))
    assert mask is not None
    assert rest is not None
    assert mask.shape == views[32].image.shape[:2]
    np.testing.assert_allclose(mask[:, :16], 1, atol=0.01)
    np.testing.assert_allclose(mask[:, -16:], 0, atol=0.01)
    np.testing.assert_allclose(mask + rest, 1, atol=1e-5)


def test_stream_raises_for_a_file_that_vanished(pictures):
    items = dataset.find(pictures)
    (pictures / "c.png").unlink()
    seen = []
    with pytest.raises(InputError, match=r"c\.png does not exist"):  # noqa: PT012
        for item, _ in dataset.stream(items, (16,)):
            seen.append(item.name)
    assert seen == ["a.png", "b.png"]


def test_stream_loads_one_ahead(monkeypatch, pictures):
    """However slow the consumer: memory is that of two images, whatever the dataset's size."""
    loaded, content = [], (pictures / "a.png").read_bytes()

    def read(path):
        loaded.append(path)
        return images.decode(content, path)

    monkeypatch.setattr(dataset.images, "read", read)
    items = items_of(40)
    asked = []

    def lazily():
        for item in items:
            asked.append(item)
            yield item

    seen = []
    for count, (_, views) in enumerate(dataset.stream(lazily(), (16,)), 1):
        time.sleep(0.002)  # time to run ahead, for a loader that would
        assert len(asked) <= count + 1
        assert len(loaded) <= count + 1
        seen.append(weakref.ref(views[16].image))
        assert sum(image() is not None for image in seen) <= 2
    assert loaded == [item.path for item in items]


def test_stream_can_be_left(pictures):
    before = threading.active_count()
    for _ in dataset.stream(dataset.find(pictures), (16,)):
        break
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_stream_of_nothing_is_empty():
    assert list(dataset.stream([], (16,))) == []


def test_find_reads_originals_of_a_manifest(pictures):
    (pictures / "metadata.csv").write_text("file_name,original\na.png,c.png\nb.png,\n")
    originals = [item.original for item in dataset.find(pictures)]
    assert originals == [pictures / "c.png", None]
    (pictures / "metadata.csv").write_text("file_name,original\na.png,../c.png\n")
    with pytest.raises(InputError, match=r"line 2: \.\./c\.png is outside of the folder"):
        dataset.find(pictures)


def test_with_originals_goes_by_name_whatever_the_extension(pictures, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in "abcd":
        Image.open(pictures / f"{name}.png").save(photos / f"{name}.jpg")
    items = dataset.with_originals(dataset.find(pictures), photos)
    assert [item.original for item in items] == [photos / f"{name}.jpg" for name in "abcd"]
    twice = [
        dataset.Item("a.png", pictures / "a.png"),
        dataset.Item("x/a.png", pictures / "x/a.png"),
    ]
    with pytest.raises(
        InputError, match=r"s/a\.png and \S*x/a\.png would both have .*photos/a\.jpg"
    ):
        dataset.with_originals(twice, photos)
    (photos / "b.jpg").rename(photos / "c.png")
    for name, match in (("b", "no photographs named b"), ("c", "2 photographs named c")):
        item = dataset.Item(f"{name}.png", pictures / f"{name}.png")
        with pytest.raises(InputError, match=match):
            dataset.with_originals([item], photos)
