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
    for layer in LAYERS:
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

    desired = measure()
    monkeypatch.setattr(strips, "FEATURES", MOST)
    actual = measure()
    batch_moments._measure.clear_cache()
    for region in counted:
        assert_same(actual[region], desired[region])
        for layer in LAYERS:
            seen = 2 if region == "all" else 1
            both = (found[region][layer].squares[:seen] for found in (actual, desired))
            np.testing.assert_allclose(*both, rtol=1e-5)
