"""The moments of a batch, against float64 NumPy, image by image."""

import jax
import numpy as np
import pytest

from styleinv import style
from styleinv.measuring import batch_moments
from styleinv.measuring.batch_moments import Counted

WEIGHTS = np.array([0.5, 0.125, 0.375, 0.0])


class Identity:
    """A network whose features are given."""

    def __init__(self, features):
        self.features = features

    def __call__(self, image, layers):
        return {layers[0]: image}


jax.tree_util.register_pytree_node(Identity, lambda n: ((), None), lambda _, __: Identity(None))


def measured(features, counted):
    mesh = batch_moments.mesh_of(jax.local_devices()[:1])
    found = batch_moments.measure_batch(
        Identity(None), features, {"all": counted}, ("relu1_1",), mesh
    )
    return jax.device_get(found)["all"]["relu1_1"]


def desired(features, positions):
    """(mean, second, squares) of each image in float64."""
    x = features.astype(np.float64).reshape(len(features), -1, features.shape[-1])
    p = positions.reshape(len(features), -1)
    means, grams = np.einsum("bm,bmc->bc", p, x), np.einsum("bm,bmi,bmj->bij", p, x, x)
    each = [
        (means**2).sum(1),
        *((g**2).sum((1, 2)) for g in (grams, grams - means[:, :, None] - means[:, None, :] + 1)),
    ]
    return means, grams, np.stack(each, 1)


@pytest.mark.parametrize("shape", [(3, 5, 40), (32, 24, 6), (1, 1, 4), (5, 7, 35)])
@pytest.mark.parametrize("masked", [False, True])
def test_measure_batch_equals_numpy(shape, masked):
    """Fewer positions than channels and more, which go different ways."""
    generator = np.random.default_rng(0)
    features = np.maximum(generator.normal(1, 1, (4, *shape)), 0).astype(np.float32)
    positions = np.full((4, *shape[:2]), 1 / (shape[0] * shape[1]))
    if masked:
        positions = generator.uniform(size=(4, *shape[:2]))
        positions /= positions.sum((1, 2), keepdims=True)
        positions[3] = 0  # a region that has no position in this image, which weighs nothing
    given = positions.astype(np.float32) if masked else None
    found = measured(features, Counted(WEIGHTS.astype(np.float32), given))
    means, grams, squares = desired(features, positions)
    second = np.einsum("b,bij->ij", WEIGHTS, grams)
    np.testing.assert_allclose(found.mean, WEIGHTS @ means, rtol=0, atol=3e-7 * means.max())
    np.testing.assert_allclose(found.second, second, rtol=0, atol=5e-7 * second.max())
    here = WEIGHTS > 0
    atol = 1e-6 * squares[here].max()
    np.testing.assert_allclose(found.squares[here], squares[here], rtol=1e-6, atol=atol)


def test_measure_batch_of_real_features_equals_single_images(network, painting):
    layers = "pixels", "relu1_1", "relu2_1", "relu3_1"
    images = [painting(k, 32, 48) for k in (1, 2, 3)]
    mesh = batch_moments.mesh_of(jax.local_devices()[:1])
    counted = Counted(np.array([0.25, 0.25, 0.5], np.float32))
    there = batch_moments.to_all(mesh, network)
    found = batch_moments.measure_batch(there, np.stack(images), {"all": counted}, layers, mesh)
    singles = [
        style.measure(network, image, layers, resolution=64, weight=w)
        for image, w in zip(images, (1, 1, 2), strict=True)
    ]
    merged = style.merge(*singles)
    for layer, moments in merged.moments.items():
        one = found["all"][layer]
        np.testing.assert_allclose(one.mean, moments.mean, rtol=0, atol=1e-6 * moments.mean.max())
        largest = moments.second.max()
        np.testing.assert_allclose(one.second, moments.second, rtol=0, atol=2e-6 * largest)
