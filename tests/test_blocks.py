"""Block by block and strip by strip, the objective is the one of the whole image."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleinv import blocks, strips, style
from styleinv.objective import Objective, RegionsTerm, TotalVariationTerm, style_term
from styleinv.vgg import VGG, layer_stride

LAYERS = ("relu1_1", "relu2_1", "relu2_2")


@pytest.fixture(scope="module")
def evaluations(default_weights):
    """A function: padding, pooling, f32[h, w, 3], masks -> loss and terms, gradient, both ways."""
    w = default_weights
    kernels = {name: w.kernels[name] for name in ("conv1_1", "conv1_2", "conv2_1", "conv2_2")}

    def of(padding, pooling, image, masks):
        network = VGG(
            kernels, w.biases, w.matrix, w.offset, padding=padding, pooling=pooling,
            convolution="direct",
        )  # fmt: skip
        aim = style.measure(network, image[::-1] ** 2, LAYERS, resolution=16)
        term = style_term(aim, LAYERS, "mean_covariance", "normalized")
        if masks:
            term = RegionsTerm({region: replace(term, masks=own) for region, own in masks.items()})
        problem = network, Objective({"style": term, "tv": TotalVariationTerm(jnp.float32(1))})

        def whole(image, problem):
            network, objective = problem
            return objective(image, network(image, objective.layers))

        def by_blocks(image, problem):
            network, objective = problem
            return blocks.evaluate(network, objective, image)

        ways = (jax.jit(jax.value_and_grad(f, has_aux=True)) for f in (by_blocks, whole))
        return [way(image, problem) for way in ways]

    return of


def masks_of(height, width):
    """{region: {layer: f32[h_l, w_l]}}: two fuzzy regions."""
    random, found = np.random.default_rng(0), {"sky": {}, "ground": {}}
    for layer in LAYERS:
        shape = height // layer_stride(layer), width // layer_stride(layer)
        found["sky"][layer] = jnp.float32(random.uniform(size=shape))
        found["ground"][layer] = 1 - found["sky"][layer]
    return found


# A last strip that is full, one of which three rows are beyond the image, and an odd last row.
@pytest.mark.parametrize(
    ("height", "padding", "pooling", "masked"),
    [(24, "zeros", "max", False), (21, "replicate", "average", False), (21, "zeros", "max", True)],
)
@pytest.mark.parametrize("features", [8 * 30 * 64, 2**24], ids=["strips", "whole"])
def test_evaluate_is_the_objective(
    evaluations, painting, monkeypatch, height, padding, pooling, masked, features
):
    monkeypatch.setattr(strips, "FEATURES", features)
    image, masks = painting(1, height, 30), masks_of(height, 30) if masked else {}
    ways = evaluations(padding, pooling, image, masks)
    ((loss, terms), actual), ((value, values), desired) = ways
    np.testing.assert_allclose(loss, value, rtol=1e-5)
    assert terms.keys() == values.keys()
    for name in values:
        np.testing.assert_allclose(terms[name], values[name], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-4 * np.abs(desired).max())
