"""One pass over a dataset: the right mixture, in constant memory."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from styleinv import dataset, images, style, weights
from styleinv.survey import survey
from styleinv.vgg import VGG

LAYERS = ("pixels", "relu1_2")
STATUS = Path("/proc/self/statm")


@pytest.fixture(scope="module")
def shallow(default_weights):
    """The real VGG19 up to relu1_2."""
    return cut(default_weights)


def cut(w):
    return VGG(w.kernels, w.biases, w.matrix, w.offset, deepest="relu1_2")


def resident():
    """Megabytes of memory that the process has now."""
    return int(STATUS.read_text().split()[1]) * 4096 / 1e6


def resident_along(folder):
    """After each batch of 32 of 240 images, once a pass has taken what one batch takes."""
    memory = []

    def note():
        memory.append(resident())
        return 0

    items, network = dataset.find(folder) * 60, cut(weights.load("default"))
    assert survey(network, items, LAYERS, (64,)) is not None
    found = survey(network, items, LAYERS, (64,), stop=note)
    assert found is not None
    assert found["all"][64].moments["pixels"].weight == 240
    return memory


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


@pytest.mark.skipif(not STATUS.exists(), reason="memory is read from /proc")
def test_survey_of_hundreds_of_images_takes_no_more_memory_than_of_sixty(default_weights, pictures):
    # In a process of its own: what other tests left of the heap says nothing about this.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh) as pool:
        memory = pool.submit(resident_along, pictures).result()
    # The features of one image are 1 MB: kept, they would make 180.
    assert memory[-1] - memory[1] < 50
