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
    actual = evaluate.table({"learned": {"a": 1.0, "b": 3.0}, "typical": {}}, ("a", "b"))
    assert actual["total"] == {"learned": 2.0, "typical": None}
    assert actual["layers"]["b"] == {"learned": 3.0, "typical": None}
