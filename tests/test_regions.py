"""Masks through the network."""

import re

import numpy as np
import pytest

from styleinv import regions
from styleinv.errors import InputError
from styleinv.images import resize
from styleinv.regions import PROPAGATIONS
from styleinv.vgg import PIXELS, VGG, layer_names

LAYERS = (PIXELS, *layer_names())


def build(name):
    """The real network with two channels a layer, in which nothing cancels.

    A feature is above zero exactly where the image is, somewhere in what the position sees.
    """
    kernels, biases, random = {}, {}, np.random.default_rng(0)
    for layer in layer_names(name):
        conv, c_in = layer.replace("relu", "conv"), 2 if kernels else 3
        kernels[conv] = random.uniform(0.1, 0.2, (3, 3, c_in, 2)).astype(np.float32)
        biases[conv] = np.zeros(2, np.float32)
    eye, zero = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
    return VGG(kernels, biases, eye, zero, convolution="direct")


def layer_masks(mask, layers, name, propagation="soft", network=LAYERS[1:]):
    """As most tests have it."""
    return regions.layer_masks(mask, layers, name, propagation, network)


def sees(network, region):
    """{layer: bool[h_l, w_l]}: which positions see something of bool[h, w]."""
    image = np.repeat(np.float32(region)[..., None], 3, axis=2)
    features = network(image, (PIXELS, *network.layers))
    return {layer: np.asarray(x).max(2) > 0 for layer, x in features.items()}


def blocks(mask, side):
    """Means of side x side blocks, in float64; what does not fill a block is dropped."""
    height, width = (size // side for size in mask.shape)
    cut = np.float64(mask[: height * side, : width * side])
    return cut.reshape(height, side, width, side).mean((1, 3))


def random_mask(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width), np.float32)


def test_layer_masks_average_over_what_a_layer_steps_over():
    mask = random_mask(48, 64)
    masks = layer_masks(mask, LAYERS, "x")
    assert tuple(masks) == LAYERS
    for layer, actual in masks.items():
        side = 1 if layer == PIXELS else 2 ** (int(layer[4]) - 1)
        np.testing.assert_allclose(actual, blocks(mask, side), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(50, 70), (63, 31), (17, 16)])
def test_layer_masks_have_the_shape_of_the_features(height, width):
    masks = layer_masks(np.ones((height, width), np.float32), LAYERS, "x")
    for layer, actual in masks.items():
        h, w = height, width
        for _ in range(0 if layer == PIXELS else int(layer[4]) - 1):
            h, w = h // 2, w // 2
        assert actual.shape == (h, w)
        np.testing.assert_array_equal(actual, 1)


def test_layer_masks_of_a_partition_stay_one():
    first, second = random_mask(32, 32), random_mask(32, 32, 1)
    parts = np.stack([first, second, random_mask(32, 32, 2)])
    parts = parts / parts.sum(0)
    masks = [layer_masks(part, LAYERS, "x") for part in parts]
    for layer in LAYERS:
        np.testing.assert_allclose(sum(mask[layer] for mask in masks), 1, atol=1e-5)


def test_layer_masks_refuse_an_empty_mask():
    with pytest.raises(InputError, match=r"the mask of a\.png vanishes at pixels: .*; enlarge the"):
        layer_masks(np.zeros((32, 32), np.float32), LAYERS, "a.png")


def test_layer_masks_refuse_a_mask_that_pooling_drops():
    mask = np.zeros((33, 33), np.float32)
    mask[32] = 1  # a last row that is in no pair
    with pytest.raises(InputError, match=r"the mask of b\.png vanishes at relu2_1: "):
        layer_masks(mask, LAYERS, "b.png")
    assert layer_masks(mask, LAYERS[:3], "b.png").keys() == set(LAYERS[:3])


def test_layer_masks_say_which_size_would_do():
    mask = np.zeros((48, 64), np.float32)
    mask[:8, :12] = 1  # 96 pixels: 1.5 positions at stride 8, a third of one at stride 16
    match = (
        r"vanishes at relu5_1: of its positions at 64x48 pixels, .*; (\d+)x(\d+) pixels would do"
    )
    with pytest.raises(InputError, match=match) as caught:
        layer_masks(mask, LAYERS, "c.png")
    width, height = map(int, re.search(match, str(caught.value)).groups())
    assert 1.6 * 64 < width < 2 * 64  # at least sqrt(256 / 96) of the size
    larger = resize(mask, height, width)
    assert min(float(x.sum()) for x in layer_masks(larger, LAYERS, "c.png").values()) >= 1
    assert layer_masks(mask, ("relu4_4",), "c.png").keys() == {"relu4_4"}


@pytest.mark.parametrize(
    ("side", "propagation", "remedy", "tries"),
    [
        (8, "soft", r"(\d+)x\1 pixels would do", 6),
        (8, "inside", "enlarge the mask, or drop the image", 1),
        (60, "inside", r"(\d+)x\1 pixels would do", 6),
    ],
)
def test_layer_masks_look_for_a_size_in_few_tries(monkeypatch, side, propagation, remedy, tries):
    mask = np.zeros((256, 256), np.float32)
    mask[100 : 100 + side, 100 : 100 + side] = 1
    sizes = []
    monkeypatch.setattr(
        "styleinv.regions.resize", lambda x, *size: sizes.append(size) or resize(x, *size)
    )
    with pytest.raises(InputError, match=rf"vanishes at relu5_4: .*; {remedy}"):
        layer_masks(mask, ("relu5_4",), "e.png", propagation)
    assert 1 <= len(sizes) <= tries
    assert np.max(sizes) <= 2048


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_layer_masks_inside_and_any_are_what_the_network_sees(name):
    network = build(name)
    mask = np.zeros((301, 243), np.float32)  # odd: the pools drop rows that convolutions saw
    mask[:, :161] = 1
    mask[40, 40] = 0  # one pixel outside counts against all that see it
    mask[290, 230] = 1  # and one inside counts for them
    inside, any_ = (
        layer_masks(mask, (PIXELS, *network.layers), "x", propagation, network.layers)
        for propagation in ("inside", "any")
    )
    some, other = sees(network, mask > 0), sees(network, mask == 0)
    for layer in inside:
        np.testing.assert_array_equal(inside[layer] == 1, ~other[layer], err_msg=layer)
    for layer in some:
        np.testing.assert_array_equal(any_[layer] == 1, some[layer], err_msg=layer)
        assert (inside[layer].sum() >= 1) if layer in inside else other[layer].all()
    assert {*np.unique(any_["relu3_1"]), *np.unique(inside["relu3_1"])} == {0, 1}


@pytest.mark.parametrize("pixel", [(0, 0), (20, 31), (36, 40)])
def test_layer_masks_any_of_a_pixel_is_where_the_features_change(pixel):
    network = build("vgg19")
    image = np.random.default_rng(0).random((37, 41, 3), np.float32)
    changed = image.copy()
    changed[pixel] += 0.5
    layers = layer_names()[:3]  # deeper ones see it too faintly for float32
    before, after = network(image, layers), network(changed, layers)
    mask = np.zeros((37, 41), np.float32)
    mask[pixel] = 1
    actual = layer_masks(mask, layers[:2], "x", "any")
    if pixel != (36, 40):  # the last row is in no pair, and only its neighbors see it
        actual = layer_masks(mask, layers, "x", "any")
    for layer, found in actual.items():
        np.testing.assert_array_equal(found, np.any(before[layer] != after[layer], axis=2))


@pytest.mark.parametrize("level", [0.2, 0.5, 0.9])
def test_layer_masks_of_gray_are_those_of_each_of_its_levels(level):
    mask = resize(random_mask(6, 8), 90, 120)
    hard = np.float32(mask >= level)
    for propagation in ("inside", "any"):
        soft_edged = layer_masks(mask, LAYERS[:8], "x", propagation)
        for layer, desired in layer_masks(hard, LAYERS[:5], "x", propagation).items():
            np.testing.assert_array_equal(soft_edged[layer] >= level, desired, err_msg=layer)


def test_layer_masks_are_least_most_and_between():
    mask = resize(random_mask(6, 8), 90, 120)
    least, mean, most = (layer_masks(mask, LAYERS, "x", way) for way in ("inside", "soft", "any"))
    for layer in least:
        assert np.all(least[layer] <= mean[layer] + 1e-6)
        assert np.all(mean[layer] <= most[layer] + 1e-6)
    np.testing.assert_array_equal(least["pixels"], most["pixels"])


@pytest.mark.parametrize("propagation", PROPAGATIONS)
def test_layer_masks_of_everything_are_one_at_every_layer(propagation):
    masks = layer_masks(np.ones((50, 70), np.float32), LAYERS, "x", propagation)
    assert tuple(masks) == LAYERS
    for actual in masks.values():
        np.testing.assert_array_equal(actual, 1)


def test_layer_masks_inside_leave_out_layers_that_see_too_much():
    mask = np.zeros((64, 64), np.float32)
    mask[18:42, 18:42] = 1
    assert tuple(layer_masks(mask, LAYERS, "x", "inside")) == LAYERS[:6]  # relu3_1 sees 24 px
    assert tuple(layer_masks(mask, LAYERS, "x")) == LAYERS


@pytest.mark.parametrize("layers", [LAYERS, LAYERS[1:], ("relu2_1", "relu3_1"), (PIXELS,)])
def test_layer_masks_inside_refuse_a_mask_that_no_layer_sees_alone(layers):
    mask = np.zeros((64, 64), np.float32)
    if layers != (PIXELS,):
        mask[10:12, 10:12] = 1
    shallowest = layers[layers == LAYERS]
    match = rf"the mask of d\.png vanishes at {shallowest}: .* less than one is wholly in the reg"
    with pytest.raises(InputError, match=match):
        layer_masks(mask, layers, "d.png", "inside")
