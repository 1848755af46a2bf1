"""Strip by strip, moments are those of the whole image."""

import jax
import numpy as np
import pytest

from styleinv import strips, style
from styleinv.measuring import batch_moments
from styleinv.measuring.batch_moments import Counted
from styleinv.vgg import PIXELS, VGG, layer_stride

LAYERS = (PIXELS, "relu1_1", "relu1_2", "relu2_1")
MOST = 8 * 30 * 64  # features at a time: strips of eight rows of block 1, whole below


@pytest.fixture(scope="module")
def networks(default_weights):
    """A function: padding, pooling -> the network up to relu2_1."""
    w = default_weights

    def of(padding, pooling):
        return VGG(
            w.kernels, w.biases, w.matrix, w.offset,
            deepest="relu2_1", padding=padding, pooling=pooling, convolution="direct",
        )  # fmt: skip

    return of


def masks_of(height, width):
    """{layer: f32[h_l, w_l]}, fuzzy, and zero in the upper third."""
    random = np.random.default_rng(0)
    found = {}
    for layer in LAYERS:
        shape = height // layer_stride(layer), width // layer_stride(layer)
        found[layer] = random.uniform(size=shape).astype(np.float32)
        found[layer][: shape[0] // 3] = 0
    return found


def assert_same(actual, desired):
    for layer in desired:
        for a, d in zip(actual[layer][:2], desired[layer][:2], strict=True):
            np.testing.assert_allclose(a, d, rtol=0, atol=2e-6 * np.abs(d).max(), err_msg=layer)


# A last strip that is full; three rows of it beyond the image; an odd last row.
@pytest.mark.parametrize(
    ("height", "padding", "pooling"),
    [(24, "zeros", "max"), (21, "replicate", "average"), (43, "zeros", "average")],
)
def test_look_in_strips(networks, painting, monkeypatch, height, padding, pooling):
    network, image = networks(padding, pooling), painting(1, height, 30)
    shares = style.shares_of({"all": None, "some": masks_of(height, 30)}, LAYERS)

    @jax.jit
    def as_whole(network, image, shares):
        features = network(image, LAYERS)
        return features, strips.measure_features(features, shares)

    features, desired = as_whole(network, image, shares)
    monkeypatch.setattr(strips, "FEATURES", MOST)
    assert strips.is_large(height, 30)
    actual, kept = jax.jit(lambda net, x, s: strips.look(net, x, s, ("relu2_1",)))(
        network, image, shares
    )
    for region in shares:
        assert_same(actual[region], desired[region])
    largest = np.abs(np.asarray(features["relu2_1"])).max()
    np.testing.assert_allclose(kept["relu2_1"], features["relu2_1"], rtol=0, atol=2e-6 * largest)


@pytest.mark.parametrize("count", [3, 4], ids=["vgg16", "vgg19"])
def test_measure_block_of_many_layers(count):
    names = [f"relu3_{i}" for i in range(1, count + 1)]
    blocks = ("1_1", "1_2", "2_1", "2_2", *(name.removeprefix("relu") for name in names), "4_1")
    random, kernels = np.random.default_rng(0), {}
    for number in blocks:
        shape = 3, 3, 3 if number == "1_1" else 4, 4
        kernels[f"conv{number}"] = random.normal(size=shape).astype(np.float32)
    biases, black = dict.fromkeys(kernels, np.zeros(4, np.float32)), np.zeros(3, np.float32)
    unit = np.eye(3, dtype=np.float32)
    network = VGG(kernels, biases, unit, black, padding="zeros", convolution="direct")
    x, shares = random.random((14, 8, 4), np.float32), {"all": dict.fromkeys(names)}

    @jax.jit
    def as_whole_and_in_strips(network, x):
        features, end = network.pass_through(x, names, names)
        whole = strips.measure_features(features, shares), end
        return whole, strips.measure_block(network, x, names, shares, 4)

    (desired, desired_end), (actual, actual_end) = as_whole_and_in_strips(network, x)
    assert_same(actual["all"], desired["all"])
    np.testing.assert_allclose(actual_end, desired_end, rtol=0, atol=2e-6 * desired_end.max())


def test_a_batch_of_large_images_is_measured_in_strips(networks, painting, monkeypatch):
    """One image at a time, and no differently: one of them without a region."""
    network, images = networks("zeros", "average"), [painting(k, 26, 30) for k in (1, 2)]
    mask = {k: v / v.sum() for k, v in masks_of(26, 30).items()}
    weights = np.float32([0.25, 0.75])
    some = {
        k: Counted(np.float32([1, 0]), np.stack([v, np.zeros_like(v)])) for k, v in mask.items()
    }
    counted = {"all": Counted(weights), "some": some}
    mesh = batch_moments.mesh_of(jax.local_devices()[:1])
    there = batch_moments.to_all(mesh, network)

    def measure():
        batch_moments._measure.clear_cache()
        found = batch_moments.measure_batch(there, np.stack(images), counted, LAYERS, mesh)
        return jax.device_get(found)

    measure_block, blocks = strips.measure_block, []

    def note(network, x, names, *rest):
        blocks.append(names)
        return measure_block(network, x, names, *rest)

    monkeypatch.setattr(strips, "measure_block", note)
    desired = measure()
    assert blocks == []
    monkeypatch.setattr(strips, "FEATURES", MOST)
    actual = measure()
    assert tuple(blocks[0]) == ("relu1_1", "relu1_2")
    batch_moments._measure.clear_cache()
    for region in counted:
        assert_same(actual[region], desired[region])
        for layer in LAYERS:
            seen = 2 if region == "all" else 1
            both = (found[region][layer].squares[:seen] for found in (actual, desired))
            np.testing.assert_allclose(*both, rtol=1e-5)
