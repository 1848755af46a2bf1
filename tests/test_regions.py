"""Masks through the network."""

import re

import numpy as np
import pytest

from styleinv.errors import InputError
from styleinv.images import resize
from styleinv.regions import layer_masks
from styleinv.vgg import PIXELS, layer_names

LAYERS = (PIXELS, *layer_names())


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
