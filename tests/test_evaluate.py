"""The distances of the report, against the pictures themselves."""

import jax.numpy as jnp
import numpy as np
import pytest

from styleinv import evaluate, objective, style
from styleinv.statistics import STATISTICS
from styleinv.vgg import VGG

LAYERS = ("relu1_1", "relu2_2", "relu3_1")


@pytest.fixture(scope="module")
def measured(network, painting):
    """(image, style) of three paintings."""
    pictures = [painting(number, 48, 48) for number in (1, 4, 8)]
    return [(p, style.measure(network, p, LAYERS, resolution=48)) for p in pictures]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_relative_distances_of_an_image_from_itself_are_zero(network, measured, statistic):
    image, own = measured[0]
    targets = objective.style_targets(own, LAYERS, statistic)
    actual = evaluate.relative_distances(network, image, targets, statistic)
    assert list(actual) == list(LAYERS)
    np.testing.assert_allclose(list(actual.values()), 0, atol=1e-9)


def test_relative_distances_of_nothing_are_one():
    targets = {"relu1_1": (jnp.asarray([[3.0, 4.0], [4.0, 5.0]]),)}
    kernels, biases = {"conv1_1": np.zeros((3, 3, 3, 2))}, {"conv1_1": np.zeros(2)}
    blind = VGG(kernels, biases, np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    image = np.zeros((8, 8, 3), np.float32)
    actual = evaluate.relative_distances(blind, image, targets, "gram")
    assert actual == {"relu1_1": pytest.approx(1.0)}


def test_relative_distances_are_under_the_mask(shallow, painting):
    image, layers = painting(1, 16, 16), ("relu1_1",)
    masks = {"relu1_1": jnp.repeat(jnp.arange(16)[:, None] < 8, 16, axis=1).astype(jnp.float32)}
    own = style.measure(shallow, image, layers, resolution=16, masks=masks)
    targets = objective.style_targets(own, layers, "gram")
    assert evaluate.relative_distances(shallow, image, targets, "gram", masks)["relu1_1"] < 1e-9
    assert evaluate.relative_distances(shallow, image, targets, "gram")["relu1_1"] > 1e-4


def test_content_distances_are_relative_to_the_photograph(shallow, painting):
    photo, image = painting(1, 16, 16), painting(2, 16, 16)
    f, g = (np.float64(shallow(x, ("relu1_1",))["relu1_1"]) for x in (photo, image))
    actual = evaluate.content_distances(shallow, image, {"relu1_1": jnp.float32(f)})
    np.testing.assert_allclose(actual["relu1_1"], ((f - g) ** 2).sum() / (f**2).sum(), rtol=1e-4)


@pytest.mark.parametrize("weights", [(1, 1, 1), (5, 1, 3)])
def test_relative_spread_is_the_mean_distance_of_the_images(network, measured, weights):
    styles = [
        style.measure(network, image, LAYERS, resolution=48, weight=weight)
        for (image, _), weight in zip(measured, weights, strict=True)
    ]
    mixture = style.merge(*styles)
    targets = objective.style_targets(mixture, LAYERS, "gram")
    actual = evaluate.relative_spread(mixture, targets, "gram")
    single = [evaluate.relative_distances(network, image, targets, "gram") for image, _ in measured]
    for layer in LAYERS:
        desired = np.average([distances[layer] for distances in single], weights=weights)
        np.testing.assert_allclose(actual[layer], desired, rtol=1e-4)


def test_relative_spread_is_unknown_where_it_is_not_linear_or_there_is_one_image(measured):
    one = measured[0][1]
    two = style.merge(one, measured[1][1])
    assert evaluate.relative_spread(two, {}, "correlation") == {}
    targets = objective.style_targets(one, LAYERS, "gram")
    assert evaluate.relative_spread(one, targets, "gram") == {}


def test_table_has_layers_and_their_mean():
    columns = {"learned": {"a": 1.0, "b": 3.0}, "shallow": {"a": 4.0}, "typical": {}}
    actual = evaluate.table(columns, ("a", "b"))
    assert actual["total"] == {"learned": 2.0, "shallow": 4.0, "typical": None}
    assert actual["layers"]["b"] == {"learned": 3.0, "shallow": None, "typical": None}


def test_average_of_what_is_not_all_known_is_unknown():
    assert evaluate.average([1.0, 3.0]) == 2
    assert evaluate.average([1.0, None]) is None


def test_average_tables_is_over_those_that_have_the_layer():
    one = {"layers": {"x": {"a": 1.0}, "y": {"a": 3.0}}, "total": {"a": 2.0}}
    two = {"layers": {"x": {"a": 3.0}}, "total": {"a": 3.0}}
    desired = {"layers": {"x": {"a": 2.0}, "y": {"a": 3.0}}, "total": {"a": 2.5}}
    assert evaluate.average_tables([one, two]) == desired
