"""Styles to a file and back; files that are not what a run asks for."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from styleinv import style_file
from styleinv.errors import InputError
from styleinv.style import Moments, Spread, Style, unknown
from styleinv.style_file import Origin

CHANNELS = {"pixels": 3, "relu1_1": 64, "relu2_1": 128}
ORIGIN = Origin(
    network="vgg19",
    weights="f00d",
    pooling="average",
    padding="replicate",
    region="all",
    images=(
        {"name": "a.png", "sha256": "12", "weight": 0.25},
        {"name": 'schön, "b".png', "sha256": "34", "weight": 0.75},
    ),
)


def style(resolution, seed=0):
    generator = np.random.default_rng(seed)
    moments = {}
    for layer, channels in CHANNELS.items():
        features = generator.random((50, channels))
        mean, second = features.mean(0), features.T @ features / 50
        moments[layer] = Moments(np.float64(3), mean, second, Spread(*generator.random(3)))
    return Style(resolution, moments)


@pytest.fixture
def saved(tmp_path):
    """A file with styles at 16 and 32 px."""
    path = tmp_path / "style.safetensors"
    style_file.save(path, {16: style(16), 32: style(32, 1)}, ORIGIN)
    return path


def test_load_gives_what_was_saved(saved):
    styles, origin = style_file.load(saved)
    assert origin == ORIGIN
    assert list(styles) == [16, 32]
    for (resolution, actual), desired in zip(
        styles.items(), (style(16), style(32, 1)), strict=True
    ):
        assert (actual.resolution, actual.layers) == (resolution, tuple(CHANNELS))
        for layer, moments in desired.moments.items():
            loaded = actual.moments[layer]
            assert loaded.mean.dtype == loaded.second.dtype == np.float32
            np.testing.assert_array_equal(loaded.mean, np.float32(moments.mean))
            np.testing.assert_array_equal(loaded.second, np.float32(moments.second))
            np.testing.assert_array_equal(loaded.spread, np.float32(moments.spread))
            assert loaded.weight == 1


def test_load_knows_which_share_of_the_images_knows_a_layer(tmp_path):
    path, every = tmp_path / "style.safetensors", dict(style(16).moments)
    every["relu1_1"] = every["relu1_1"]._replace(weight=np.float64(1))  # of 3
    every["relu2_1"] = unknown(128)
    style_file.save(path, {16: Style(16, every)}, ORIGIN)
    styles, _ = style_file.load(path)
    weights = {layer: float(moments.weight) for layer, moments in styles[16].moments.items()}
    assert weights == pytest.approx({"pixels": 1, "relu1_1": 1 / 3, "relu2_1": 0})
    style_file.save(tmp_path / "again", *style_file.load(path))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def split(path):
    """The header as JSON, whose order safetensors leaves open, and the numbers."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def test_save_of_what_was_loaded_gives_the_same_file(saved, tmp_path):
    style_file.save(tmp_path / "again", *style_file.load(saved))
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_save_writes_plain_safetensors(saved):
    from safetensors import safe_open

    with safe_open(saved, framework="numpy") as file:
        assert file.get_tensor("32/relu2_1/second").shape == (128, 128)
        assert json.loads(file.metadata()["styleinv style 1"])["layers"] == list(CHANNELS)


def test_save_leaves_nothing_else_behind(saved):
    assert list(saved.parent.iterdir()) == [saved]


def test_save_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/style\.safetensors cannot be written: "):
        style_file.save(tmp_path / "file" / "style.safetensors", {16: style(16)}, ORIGIN)


def damage(path, change=None, tensors=None):
    """Rewrites the file's header by a function of its JSON, or cuts its content."""
    header, data = split(path)
    if change:
        change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + (tensors or (lambda x: x))(data))


def rewriting(change):
    def rewrite(header):
        metadata = header["__metadata__"]
        about = json.loads(metadata["styleinv style 1"])
        change(about)
        metadata["styleinv style 1"] = json.dumps(about)

    return rewrite


def without(key):
    return rewriting(lambda about: about.pop(key))


def having(key, value):
    return rewriting(lambda about: about.update({key: value}))


def of_another_format(header):
    header["__metadata__"] = {"another 1": "{}"}


@pytest.mark.parametrize(
    ("change", "tensors", "message"),
    [
        (lambda header: header.pop("__metadata__"), None, "its header has no styleinv style 1"),
        (of_another_format, None, "its header has no styleinv style 1"),
        (without("layers"), None, "layers"),
        (without("weights"), None, "weights"),
        (having("surprise", 1), None, "surprise"),
        (having("layers", ["relu9_9"]), None, "relu9_9"),
        (having("resolutions", [64]), None, "64/pixels/mean"),
        (having("resolutions", 7), None, "not iterable"),
        (having("resolutions", ["16"]), None, "resolutions that are not whole numbers"),
        (having("layers", "pixels"), None, "16/p"),
        (having("partly", {"16/pixels": 2}), None, "shares of the images that are none"),
        (having("region", 7), None, "an origin that is not in words"),
        (having("images", [1]), None, "images that are not told of in texts and numbers"),
        (having("images", [{"name": []}]), None, "images that are not told of in texts and"),
        (None, lambda data: data[:-4], ""),
        (None, lambda data: data + bytes(4), ""),
        (None, lambda data: data[:-4] + struct.pack("<f", np.nan), "numbers at .*not finite"),
        (None, lambda data: data[:-4] + struct.pack("<f", np.inf), "numbers at .*not finite"),
    ],
)
def test_load_refuses_a_damaged_file(saved, change, tensors, message):
    damage(saved, change, tensors)
    with pytest.raises(InputError, match=rf"^\S* is not a style file of this program: .*{message}"):
        style_file.load(saved)


def test_load_refuses_wrong_shapes(saved):
    def transpose(header):
        entry = header["16/relu1_1/second"]
        entry["shape"] = [1, 64 * 64]

    damage(saved, transpose)
    with pytest.raises(InputError, match=r"wrong shapes at 16/relu1_1"):
        style_file.load(saved)


@pytest.mark.parametrize(
    ("dtype", "channels", "message"),
    [(np.float64, 3, "numbers at 16/pixels that are not float32"), (np.float32, 4, "wrong shapes")],
)
def test_load_refuses_tensors_of_another_kind(saved, dtype, channels, message):
    tensors = safetensors.numpy.load_file(saved)
    tensors["16/pixels/mean"] = np.ones(channels, dtype)
    tensors["16/pixels/second"] = np.eye(channels, dtype=dtype)
    metadata = split(saved)[0]["__metadata__"]
    saved.write_bytes(safetensors.numpy.save(tensors, metadata))
    with pytest.raises(InputError, match=message):
        style_file.load(saved)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\0" * 100, b"\xff" * 100, b"\x89PNG\r\n\x1a\n"]
)
def test_load_refuses_other_files(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=r"file is not a style file of this program: "):
        style_file.load(tmp_path / "file")


def test_load_refuses_a_file_cut_anywhere(saved):
    content = saved.read_bytes()
    for size in range(0, len(content), 97):
        saved.write_bytes(content[:size])
        with pytest.raises(InputError, match="is not a style file of this program: "):
            style_file.load(saved)


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors does not exist"):
        style_file.load(tmp_path / "none.safetensors")


def select(path, wanted=ORIGIN, layers=tuple(CHANNELS), resolutions=(16, 32)):
    styles, origin = style_file.load(path)
    return style_file.select(
        styles, origin, path, wanted=wanted, layers=layers, resolutions=resolutions
    )


def test_select_gives_the_layers_and_resolutions_asked_for(saved):
    selected = select(saved, layers=("relu2_1", "pixels"), resolutions=(32,))
    assert list(selected) == [32]
    assert selected[32].layers == ("relu2_1", "pixels")


def test_select_takes_another_dataset_or_region(saved):
    assert select(saved, replace(ORIGIN, region="mask", images=())).keys() == {16, 32}


@pytest.mark.parametrize(
    ("field", "option"),
    [("network", "name"), ("weights", "weights"), ("pooling", "pooling"), ("padding", "padding")],
)
def test_select_refuses_another_network_and_names_both(saved, field, option):
    has = getattr(ORIGIN, field)
    message = (
        rf"style\.safetensors was made with {field} {has}, and this run has other; "
        rf"choose config\.network\.{option} to match"
    )
    with pytest.raises(InputError, match=message):
        select(saved, replace(ORIGIN, **{field: "other"}))


def test_select_refuses_other_layers(saved):
    message = r"has the layers pixels, relu1_1, relu2_1, and this run needs relu3_1; choose config"
    with pytest.raises(InputError, match=message):
        select(saved, layers=("relu1_1", "relu3_1", "relu4_1"))


def test_select_refuses_a_file_that_knows_none_of_the_layers(saved):
    styles, origin = style_file.load(saved)
    styles[32].moments["relu2_1"] = unknown(128)
    style_file.save(saved, styles, origin)
    assert select(saved).keys() == {16, 32}
    message = r"knows the layers relu1_1 at 32 px, and this run needs one of relu2_1; choose config"
    with pytest.raises(InputError, match=message):
        select(saved, layers=("pixels", "relu2_1"))


def test_select_refuses_other_resolutions(saved):
    message = r"was measured at 16, 32 px, and this run needs 64; choose config\.resolution"
    with pytest.raises(InputError, match=message):
        select(saved, resolutions=(32, 64))


def test_listed_names_ten_thousand_images_and_counts_more():
    images = [{"name": f"{k}.png", "sha256": f"{k:064x}", "weight": 1e-4} for k in range(10_001)]
    assert style_file.listed(images[:10_000]) == tuple(images[:10_000])
    (told,) = style_file.listed(images)
    assert told["count"] == 10_001
    assert style_file.listed(images) == (told,)
    images[77] = images[77] | {"sha256": "other"}
    assert style_file.listed(images) != (told,)


def test_a_style_of_very_many_images_has_a_small_header(tmp_path):
    images = ({"name": f"{k}.png", "sha256": f"{k:064x}", "weight": 1e-5} for k in range(10**5))
    origin = replace(ORIGIN, images=style_file.listed(images))
    path = tmp_path / "style.safetensors"
    style_file.save(path, {16: style(16)}, origin)
    assert path.stat().st_size < 100_000  # the moments of two layers are 80 kB of it
    assert style_file.load(path)[1] == origin
