"""Inner products of what is measured, for each layer."""

import numpy as np

from styleinv import dataset, kernels, style


def test_inner_products_take_columns_by_the_piece(monkeypatch):
    monkeypatch.setattr(kernels, "_COLUMNS", 7)
    rows = np.random.default_rng(0).random((3, 5, 5), np.float32)
    flat = np.float64(rows.reshape(3, 25))
    np.testing.assert_allclose(kernels.inner_products(rows), flat @ flat.T, rtol=1e-12)


def test_correlations_have_a_unit_diagonal_where_a_channel_fires():
    f = np.random.default_rng(0).random((2, 9, 3)) * [1, 10, 0]
    actual = kernels.correlations(np.float32(f.transpose(0, 2, 1) @ f / 9))
    np.testing.assert_allclose(np.einsum("nii->ni", actual), [[1, 1, 0]] * 2, rtol=1e-5)
    cosines = [np.dot(*one[:, :2].T) / np.prod(np.linalg.norm(one[:, :2], axis=0)) for one in f]
    np.testing.assert_allclose(actual[:, 0, 1], cosines, rtol=1e-5)


def test_kernels_are_of_the_measured_second_moments(shallow, pictures):
    items, layers = dataset.find(pictures), ("relu1_1", "relu2_1")
    actual = kernels.kernels(shallow, items, layers, 32)
    views = [views[32].image for _, views in dataset.stream(items, [32])]
    styles = [style.measure(shallow, image, layers, resolution=32) for image in views]
    for layer in layers:
        seconds = np.float32([one.moments[layer].second for one in styles])
        for name, each in (("gram", seconds), ("correlation", kernels.correlations(seconds))):
            rows = np.float64(each).reshape(len(items), -1)
            np.testing.assert_allclose(actual[name][layer], rows @ rows.T, rtol=1e-5)


def test_kernels_that_are_stopped_are_none(shallow, pictures):
    items = dataset.find(pictures)
    assert kernels.kernels(shallow, items, ("relu1_1",), 32, stop=lambda: 15) is None
