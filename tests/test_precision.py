"""What convolutions multiply in: chosen by platform, near to float32, and nothing but them."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.lax import Precision as Products

from styleinv.content import content_term
from styleinv.gram import moments
from styleinv.lbfgs import LBFGS
from styleinv.minimize import minimize, take_step
from styleinv.objective import Objective, TotalVariationTerm, style_term
from styleinv.parameters import PARAMETERS
from styleinv.precision import FLOAT32, PRECISIONS, choose
from styleinv.strips import extract
from styleinv.style import measure
from styleinv.synthesize import ImageLoss
from styleinv.vgg import VGG

LAYERS = ("relu1_1", "relu2_1", "relu3_1")
PIXELS = PARAMETERS["pixels"]


@pytest.fixture(scope="module")
def problem(network, painting):
    """(network, objective) with a style, a content and smoothness."""
    style = measure(network, painting(1, 48, 48), LAYERS, resolution=48)
    held = extract(network, jnp.asarray(painting(3, 40, 48)), ("relu2_1",))
    terms = {"style": style_term(style, LAYERS, "gram", "fine")}
    terms |= {"content": content_term(held, "relative", 1e-3)}
    return network, Objective(terms | {"tv": TotalVariationTerm(jnp.float32(0.3))})


@pytest.fixture(scope="module")
def start(painting):
    return PIXELS.init(jnp.asarray(painting(2, 40, 48)))


@pytest.fixture(scope="module")
def direct(default_weights):
    """The network as a GPU has it."""
    w = default_weights
    return VGG(w.kernels, w.biases, w.matrix, w.offset, deepest=LAYERS[-1], convolution="direct")


@pytest.mark.parametrize(
    ("name", "platform", "products", "features"),
    [
        ("auto", "cpu", Products.HIGHEST, jnp.float32),
        ("auto", "gpu", Products.HIGH, jnp.float32),
        ("auto", "tpu", Products.DEFAULT, jnp.float32),
        ("float32", "gpu", Products.HIGHEST, jnp.float32),
        ("tensorfloat32", "gpu", Products.HIGH, jnp.float32),
        ("tensorfloat32", "cpu", Products.HIGHEST, jnp.float32),  # with Winograd
        ("bfloat16", "cpu", Products.DEFAULT, jnp.bfloat16),
        ("bfloat16", "gpu", Products.DEFAULT, jnp.bfloat16),
    ],
)
def test_choose_is_the_fastest_that_the_platform_has(name, platform, products, features):
    assert choose(name, platform) == (products, features)


def evaluate(problem, start, precision, rematerialize=False):
    """((loss, parts), gradient)."""
    loss = ImageLoss(PIXELS.decode, rematerialize, precision)
    return jax.jit(jax.value_and_grad(loss, has_aux=True))(start, problem)


def test_bfloat16_gives_nearly_the_loss_and_gradient_of_float32(problem, start):
    """What its few bits do to real features is in docs/performance.md."""
    bfloat16 = choose("bfloat16", "cpu")
    (desired, parts), desired_gradient = evaluate(problem, start, FLOAT32)
    for rematerialize in (False, True):
        (actual, coarse), gradient = evaluate(problem, start, bfloat16, rematerialize)
        assert actual != desired
        assert {x.dtype for x in jax.tree.leaves((coarse, gradient))} == {jnp.dtype("float32")}
        for name, value in parts.items():
            np.testing.assert_allclose(
                coarse[name], value, 2e-2, 1e-4 * float(desired), err_msg=name
            )
        difference = np.linalg.norm(gradient - desired_gradient)
        assert difference < 5e-2 * np.linalg.norm(desired_gradient)


def test_bfloat16_comes_down(problem, start):
    loss = ImageLoss(PIXELS.decode, False, choose("bfloat16", "cpu"))
    snapshots = list(minimize(loss, start, problem, LBFGS(10), 15))
    assert snapshots[-1].loss < 0.4 * snapshots[0].loss
    exact = jax.jit(ImageLoss(PIXELS.decode))(snapshots[-1].params, problem)[0]
    np.testing.assert_allclose(snapshots[-1].loss, exact, rtol=2e-2)


@pytest.mark.parametrize("masked", [False, True])
def test_moments_of_bfloat16_features_are_exact_and_float32(masked):
    generator = np.random.default_rng(0)
    features = jnp.asarray(generator.uniform(0, 1e4, (48, 40, 24)), jnp.bfloat16)
    mask = generator.random((48, 40)) if masked else np.ones((48, 40))
    share = mask / mask.sum()
    mean, second = moments(features, jnp.asarray(share, jnp.float32) if masked else None)
    assert mean.dtype == second.dtype == jnp.float32
    exact = np.asarray(features, np.float64)
    np.testing.assert_allclose(mean, np.einsum("hw,hwi->i", share, exact), rtol=1e-5)
    desired = np.einsum("hw,hwi,hwj->ij", share, exact, exact)
    np.testing.assert_allclose(second, desired, rtol=1e-5)


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_step_lowered_for_a_gpu_rounds_only_in_convolutions(problem, start, direct, name):
    """No GPU is needed to see what the program asks of it."""
    problem = direct, problem[1]
    precision = choose(name, "gpu")
    loss, solver = ImageLoss(PIXELS.decode, False, precision), LBFGS(3)
    values = jax.tree.map(jnp.zeros_like, jax.eval_shape(loss, start, problem)[1])
    step = jax.jit(lambda *arguments: take_step(loss, solver, *arguments))
    state = solver.init(start, values)
    program = export.export(step, platforms=["cuda"])(start, state, problem).mlir_module()
    lines = program.splitlines()
    products = [line for line in lines if "stablehlo.dot_general" in line]
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
    convolutions = [line for line in lines if "stablehlo.convolution" in line]
    of_image = [line for line in convolutions if re.search(r"x3x64xf32|x64x3xf32", line)]
    assert (len(convolutions), len(of_image)) == (2 * len(direct.layers), 2)
    for line in convolutions:
        desired = FLOAT32 if line in of_image else precision
        assert ("bf16" in line) == (desired.features == jnp.bfloat16)
        named = re.findall(r"precision (\w+)>", line) or 2 * ["DEFAULT"]  # which goes unsaid
        assert named == 2 * [desired.products.name]
