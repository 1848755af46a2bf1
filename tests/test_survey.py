"""One pass over a dataset: the right mixture, in constant memory."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from styleinv import dataset, images, style, weights
from styleinv.survey import survey
from styleinv.vgg import VGG

LAYERS = ("pixels", "relu1_2")


@pytest.fixture(scope="module")
def shallow(default_weights):
    """The real VGG19 up to relu1_2."""
    return cut(default_weights)


def cut(w):
    return VGG(w.kernels, w.biases, w.matrix, w.offset, deepest="relu1_2")


def peaks(folder):
    """Megabytes that the process took at most: to pass over 240 images, and 720 after that."""
    import resource  # not on Windows

    items, network, found = dataset.find(folder), cut(weights.load("default")), []
    for times in (60, 180):
        styles = survey(network, items * times, LAYERS, (64,))
        assert styles is not None
        assert styles["all"][64].moments["pixels"].weight == 4 * times
        found.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    return found


def test_survey_mixes_the_items_by_weight_at_every_resolution(shallow, pictures):
    items = dataset.reweigh(dataset.find(pictures), (4, 3, 2, 1))
    actual = survey(shallow, items, LAYERS, (16, 32))
    assert actual is not None
    assert list(actual) == ["all"]
    assert list(actual["all"]) == [16, 32]
    for resolution, found in actual["all"].items():
        ones = []
        for item in items:
            image = images.read(item.path)
            view = images.resize(image, *images.frame(*image.shape[:2], resolution))
            ones.append(style.measure(shallow, view, LAYERS, resolution=resolution))
        for layer in LAYERS:
            desired = sum(
                share * one.moments[layer].second
                for share, one in zip((0.4, 0.3, 0.2, 0.1), ones, strict=True)
            )
            actually, largest = found.moments[layer].second, np.max(desired)
            np.testing.assert_allclose(actually, desired, rtol=0, atol=1e-6 * largest)


def test_survey_stops_when_asked(shallow, pictures):
    seen = []
    actual = survey(
        shallow, dataset.find(pictures), LAYERS, (16,), stop=lambda: len(seen.append(1) or seen) > 1
    )
    assert actual is None
    assert len(seen) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes are Linux's")
def test_survey_of_hundreds_of_images_takes_no_more_memory_than_of_some(default_weights, pictures):
    # In a process of its own: what other tests took of memory says nothing about this.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh) as pool:
        first, then = pool.submit(peaks, pictures).result()
    # The features of one image are 1 MB: kept, they would make 480 more.
    assert then - first < 50
