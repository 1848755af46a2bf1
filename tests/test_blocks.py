"""Block by block and strip by strip, the objective is the one of the whole image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleinv import blocks, style
from styleinv.objective import Objective, TotalVariationTerm, style_term
from styleinv.vgg import VGG

LAYERS = ("relu1_1", "relu2_1", "relu2_2")


@pytest.fixture(scope="module")
def evaluations(default_weights):
    """A function: padding, pooling, f32[h, w, 3] -> loss and terms, gradient, in both ways."""
    w = default_weights
    kernels = {name: w.kernels[name] for name in ("conv1_1", "conv1_2", "conv2_1", "conv2_2")}

    def of(padding, pooling, image):
        network = VGG(
            kernels, w.biases, w.matrix, w.offset, padding=padding, pooling=pooling,
            convolution="direct",
        )  # fmt: skip
        aim = style.measure(network, image[::-1] ** 2, LAYERS, resolution=16)
        term = style_term(aim, LAYERS, "mean_covariance", "normalized")
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


# A last strip that is full, one of which three rows are beyond the image, and an odd last row.
@pytest.mark.parametrize(
    ("height", "padding", "pooling"),
    [(24, "zeros", "max"), (21, "replicate", "average")],
)
@pytest.mark.parametrize("features", [8 * 30 * 64, 2**24], ids=["strips", "whole"])
def test_evaluate_is_the_objective(
    evaluations, painting, monkeypatch, height, padding, pooling, features
):
    monkeypatch.setattr(blocks, "FEATURES", features)
    image = painting(1, height, 30)
    ((loss, terms), actual), ((value, values), desired) = evaluations(padding, pooling, image)
    np.testing.assert_allclose(loss, value, rtol=1e-5)
    assert terms.keys() == values.keys()
    for name in values:
        np.testing.assert_allclose(terms[name], values[name], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-4 * np.abs(desired).max())
