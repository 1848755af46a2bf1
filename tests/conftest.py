"""Strict settings, and the few things that many tests need."""

import functools
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import cli, learn_style, transfer
from experiments.compiler import compile_quickly
from styleinv import images, weights
from styleinv.vgg import VGG
from styleinv.weights import loading

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config):
    compile_quickly()
    jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    """Fails a test that writes into the checkout."""
    before = set(ROOT.iterdir())
    yield
    left = {path.name for path in set(ROOT.iterdir()) - before} - {".pytest_cache", "__pycache__"}
    assert not left, f"the test left {left} behind"


@pytest.fixture
def shared():
    """The folder of real pictures beside the checkout; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no pictures beside the checkout")
    return folder


@pytest.fixture(scope="session")
def default_weights():
    """The real VGG19, from the user's cache; fetched at first use."""
    return weights.load("default")


@pytest.fixture(scope="session")
def network(default_weights):
    """The real VGG19 with all 16 layers."""
    w = default_weights
    return VGG(w.kernels, w.biases, w.matrix, w.offset)


@pytest.fixture(scope="session")
def shallow(default_weights):
    """The real VGG19 up to relu2_1; the convolutions are those that compile fastest."""
    w = default_weights
    return VGG(w.kernels, w.biases, w.matrix, w.offset, deepest="relu2_1", convolution="direct")


@pytest.fixture(scope="session")
def painting():
    """A function: number 1 .. 12, height, width -> f32[height, width, 3] of the demo dataset."""

    def read(number, height, width):
        image = images.read(ROOT / "data" / "anime" / f"{number:02d}.jpg")
        return images.resize(image, height, width)

    return read


@pytest.fixture
def pictures(tmp_path):
    """A folder of four small pictures with structure: a.png .. d.png, 48 x 64."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    y, x = np.mgrid[:48, :64]
    for k, name in enumerate("abcd", 1):
        planes = [np.sin(x * k / 5 + c) * np.cos(y * k / 7 - c) for c in range(3)]
        image = Image.fromarray(np.uint8(127.5 + 127.5 * np.stack(planes, axis=2)))
        image.save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def _random_weights():
    return functools.cache(loading._random)


@pytest.fixture
def command(monkeypatch, _random_weights):
    """A function: experiment, words of its command line -> exit status, in this process."""
    monkeypatch.setattr(loading, "_random", _random_weights)  # twenty million numbers, once

    def run(experiment, words):
        name = experiment.__name__.removeprefix("experiments.")
        monkeypatch.setattr(sys, "argv", [name, *words])
        with pytest.raises(SystemExit) as caught:
            cli.run(name, "", experiment.execute, getattr(experiment, "FLAGS", ()))
        return caught.value.code

    return run


@pytest.fixture
def learn(command):
    """A function: words of a command line -> exit status of learn_style, in this process."""
    return functools.partial(command, learn_style)


@pytest.fixture
def restyle(command):
    """A function: words of a command line -> exit status of transfer, in this process."""
    return functools.partial(command, transfer)
