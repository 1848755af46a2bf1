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
def problem_of(default_weights):
    """A function: padding, pooling, f32[h, w, 3], masks -> (network, objective)."""
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
        return network, Objective({"style": term, "tv": TotalVariationTerm(np.float32(1))})

    return of


def masks_of(height, width):
    """{region: {layer: f32[h_l, w_l]}}: two fuzzy regions."""
    random, found = np.random.default_rng(0), {"sky": {}, "ground": {}}
    for layer in LAYERS:
        shape = height // layer_stride(layer), width // layer_stride(layer)
        found["sky"][layer] = np.float32(random.uniform(size=shape))
        found["ground"][layer] = 1 - found["sky"][layer]
    return found


def whole(image, network, objective):
    return objective(image, network(image, objective.layers))


def by_blocks(image, network, objective):
    return blocks.evaluate(network, objective, image)


# A last strip that is full, one of which three rows are beyond the image, and an odd last row.
@pytest.mark.parametrize(
    ("height", "padding", "pooling", "masked"),
    [(24, "zeros", "max", False), (21, "replicate", "average", False), (21, "zeros", "max", True)],
)
def test_evaluate_is_the_objective(
    problem_of, painting, monkeypatch, height, padding, pooling, masked
):
    """In strips, and where blocks are small enough to be wholes."""
    image, masks = painting(1, height, 30), masks_of(height, 30) if masked else {}
    problem = problem_of(padding, pooling, image, masks)
    (value, values), desired = evaluate(whole, image, problem)
    for features in (8 * 30 * 64, 2**24):
        monkeypatch.setattr(strips, "FEATURES", features)
        (loss, terms), actual = evaluate(by_blocks, image, problem)
        np.testing.assert_allclose(loss, value, rtol=1e-5)
        assert terms.keys() == values.keys()
        for name in values:
            np.testing.assert_allclose(terms[name], values[name], rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-4 * np.abs(desired).max())


def evaluate(way, image, problem):
    """(loss and terms, gradient), traced anew each time: strips may have another size."""
    evaluated = jax.jit(lambda x, problem: jax.value_and_grad(way, has_aux=True)(x, *problem))
    return evaluated(jnp.asarray(image), problem)
