"""The network is VGG: layer by layer what PyTorch makes of the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch_vgg

from styleinv import weights
from styleinv.strips import extract
from styleinv.vgg import PIXELS, VGG, layer_names, layer_stride, pool

LAYERS = layer_names()


@pytest.fixture(scope="module")
def random16():
    """An untrained VGG16."""
    return weights.load("random", "vgg16")


def build(loaded, **options):
    return VGG(loaded.kernels, loaded.biases, loaded.matrix, loaded.offset, **options)


def assert_features_equal(loaded, image, **options):
    """Within 4e-6 of the largest value of each layer, against double precision."""
    layers = layer_names(loaded.network)
    convolution = options.pop("convolution", "auto")
    network = build(loaded, convolution=convolution, **options)
    actual = extract(network, image, layers)
    desired = torch_vgg.features(
        loaded, torch.tensor(image, dtype=torch.float64), layers, **options
    )
    assert tuple(desired) == layers
    for layer in layers:
        reference = desired[layer].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(
            actual[layer], reference, rtol=0, atol=4e-6 * reference.max(), err_msg=layer
        )


@pytest.mark.parametrize(
    ("convolution", "pooling", "padding", "shape"),
    [
        ("winograd", "average", "replicate", (128, 128)),  # where Winograd takes part in all blocks
        ("winograd", "max", "zeros", (50, 37)),
        ("direct", "average", "zeros", (48, 48)),
        ("direct", "max", "replicate", (33, 64)),
    ],
)
def test_features_equal_pytorch(default_weights, painting, convolution, pooling, padding, shape):
    assert_features_equal(
        default_weights,
        painting(1, *shape),
        convolution=convolution,
        pooling=pooling,
        padding=padding,
    )


def test_features_of_vgg16_equal_pytorch(random16, painting):
    assert len(layer_names("vgg16")) == 13
    assert_features_equal(random16, painting(3, 48, 64))


def test_call_gives_pixels_as_they_are(network, painting):
    image = painting(1, 16, 16)
    actual = network(image, (PIXELS,))
    assert list(actual) == [PIXELS]
    np.testing.assert_array_equal(actual[PIXELS], image)


def test_call_refuses_a_layer_that_is_not_there(random_network):
    with pytest.raises(ValueError, match="the network ends at relu5_4: no relu6_1"):
        jax.eval_shape(lambda x: random_network(x, ("relu6_1",)), jnp.zeros((16, 16, 3)))


@pytest.mark.parametrize(("deepest", "desired"), [("relu1_1", 1), ("relu2_2", 4), ("relu5_4", 16)])
def test_call_computes_nothing_above_the_deepest_layer_asked_for(random_network, deepest, desired):
    compute = jax.jit(lambda net, x: net(x, (deepest,)))
    program = compute.lower(random_network, jnp.zeros((32, 32, 3))).as_text()
    assert program.count("stablehlo.convolution") == desired


@pytest.fixture(scope="module")
def random_network():
    return build(weights.load("random"), convolution="direct")


@pytest.mark.parametrize("deepest", ["relu1_1", "relu2_1", "relu4_4"])
def test_deepest_keeps_no_weights_beyond_it(default_weights, deepest):
    network = build(default_weights, deepest=deepest, convolution="direct")
    convolutions = [name.replace("relu", "conv") for name in LAYERS]
    kept = convolutions[: LAYERS.index(deepest) + 1]
    assert network.layers == LAYERS[: len(kept)]
    assert set(network.filters) == set(network.biases) == set(kept)


def test_shallow_features_are_those_of_the_whole_network(network, default_weights, painting):
    image, layers = painting(4, 48, 48), ("relu1_2", "relu2_1")
    compute = jax.jit(lambda net, x: net(x, layers))
    actual = compute(build(default_weights, deepest="relu2_1"), image)
    desired = compute(network, image)
    for layer in layers:
        np.testing.assert_allclose(actual[layer], desired[layer], rtol=1e-6, atol=1e-4)


def test_network_is_an_argument_of_a_jitted_function(random_network):
    compute = jax.jit(lambda net, x: net(x, ("relu1_2",)))
    image = jnp.full((8, 8, 3), 0.5)
    compute(random_network, image)
    other = jax.tree.map(lambda leaf: 2 * leaf, random_network)
    assert not np.allclose(
        compute(random_network, image)["relu1_2"], compute(other, image)["relu1_2"]
    )
    assert compute._cache_size() == 1


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (2, 3)])
def test_pool_equals_pytorch(pooling, shape):
    x = np.random.default_rng(0).standard_normal((*shape, 3)).astype(np.float32)
    planes = torch.tensor(x).permute(2, 0, 1)
    function = (
        torch.nn.functional.avg_pool2d if pooling == "average" else (torch.nn.functional.max_pool2d)
    )
    desired = function(planes[None], 2)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(pool(jnp.asarray(x), pooling), desired, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pool_keeps_the_dtype(pooling, dtype):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((4, 6, 3)), dtype)
    actual = pool(x, pooling)
    assert actual.dtype == x.dtype
    desired = pool(x.astype(jnp.float32), pooling).astype(dtype)
    np.testing.assert_array_equal(actual, desired)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (2, 3)])
def test_pool_gradient_equals_pytorch_for_equal_pixels_too(pooling, shape):
    generator = np.random.default_rng(0)
    x = generator.integers(0, 3, (*shape, 3)).astype(np.float32)
    cotangent = generator.standard_normal((shape[0] // 2, shape[1] // 2, 3)).astype(np.float32)
    planes = torch.tensor(x).permute(2, 0, 1)[None].requires_grad_()
    function = (
        torch.nn.functional.avg_pool2d if pooling == "average" else (torch.nn.functional.max_pool2d)
    )
    function(planes, 2).backward(torch.tensor(cotangent).permute(2, 0, 1)[None])
    assert planes.grad is not None
    desired = planes.grad[0].permute(1, 2, 0).numpy()
    actual = jax.vjp(lambda x: pool(x, pooling), jnp.asarray(x))[1](jnp.asarray(cotangent))[0]
    np.testing.assert_allclose(actual, desired, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "desired"), [(PIXELS, 1), ("relu1_2", 1), ("relu2_1", 2), ("relu5_4", 16)]
)
def test_layer_stride_is_the_image_pixels_per_position(layer, desired):
    assert layer_stride(layer) == desired
