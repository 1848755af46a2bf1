"""The machine code of the inner loop: the same bits however it is cut and shared out."""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

from experiments import cli
from experiments.inputs import load_network
from styleinv import gram, winograd
from styleinv.errors import InputError
from styleinv.native.build import registers
from styleinv.native.emitter import CHANNELS, Registers
from styleinv.native.gram import narrow

REGISTERS = [Registers(16, 4, 6), Registers(8, 2, 6), Registers(4, 4, 6), Registers(4, 2, 6)]


def convolve(images=1, height=41, width=30):
    """f32[images, height, width, 128] of noise of 64 channels, with a bias."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((images, height, width, 64)).astype(np.float32)
    kernel = generator.standard_normal((3, 3, 64, 128)).astype(np.float32)
    bias = generator.standard_normal(128).astype(np.float32)
    filters = winograd.transform(kernel)
    batch = jax.vmap(lambda x: winograd.convolve_tiles(x, filters, bias, 1))
    return np.asarray(jax.jit(batch)(x))


@pytest.fixture(scope="module")
def desired():
    return convolve()


@pytest.mark.parametrize("shape", REGISTERS, ids=str)
def test_kernel_of_other_registers_gives_the_same_bits(shape, desired, monkeypatch):
    monkeypatch.setattr(winograd, "registers", lambda: shape)
    np.testing.assert_array_equal(convolve(), desired)


def test_gram_of_other_registers_has_the_same_bits(monkeypatch):
    x = np.random.default_rng(0).standard_normal((2, 1500, 192)).astype(np.float32)
    found = []
    for shape in REGISTERS:
        monkeypatch.setattr(gram, "registers", lambda shape=shape: shape)
        found.append(np.asarray(jax.jit(lambda x: gram.gram(x))(x)))
    np.testing.assert_array_equal(found[1:], found[:1] * len(found[1:]))


@pytest.mark.parametrize("cut", [(1, 6, 64), (2, 6, 128), (7, 12, 64), (3, 90, 128)])
def test_kernel_gives_the_same_bits_however_it_is_cut(cut, desired, monkeypatch):
    """Threads, tiles of a block, outputs of a part."""
    monkeypatch.setattr(winograd, "_cut", lambda *_: (*cut, 64))
    np.testing.assert_array_equal(convolve(), desired)


def test_kernel_gives_each_thread_of_a_caller_its_own():
    """Calls that meet in XLA's threads: none sees another's work."""
    shapes = [(1, 41, 30), (3, 9, 17), (2, 64, 5), (1, 4, 4)]
    alone = [convolve(*shape) for shape in shapes]
    with ThreadPoolExecutor(len(shapes)) as pool:
        for _ in range(10):
            for found, wanted in zip(
                pool.map(lambda shape: convolve(*shape), shapes), alone, strict=True
            ):
                np.testing.assert_array_equal(found, wanted)


def test_registers_hold_what_a_product_needs():
    """What is multiplied, and one more of each side, beside it: 32 registers, or 16 of 8 lanes."""
    for shape in (registers(), narrow(registers())):
        lanes, vectors, rows = shape
        assert vectors * rows + vectors + 1 <= (16 if lanes == 8 else 32)
        assert CHANNELS % shape.columns == 0


def test_not_a_number_goes_through_a_gram_matrix():
    """Where it belongs, and to no other channel."""
    x = np.ones((1, 5, 64), np.float32)
    x[0, 3, 7] = np.nan
    found = np.isnan(jax.jit(gram.gram)(x)[0])
    assert found[7].all()
    assert found[:, 7].all()
    assert found.sum() == 127


def test_not_a_number_goes_through_a_convolution():
    x = np.zeros((8, 8, 64), np.float32)
    x[2, 2, 0] = np.nan
    filters = winograd.transform(np.ones((3, 3, 64, 64), np.float32))
    actual = jax.jit(winograd.convolve_tiles, static_argnums=3)(
        x, filters, np.zeros(64, np.float32), 1
    )
    assert np.isnan(actual[2, 2]).all()


def test_winograd_is_refused_where_there_is_no_cpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    config = cli.parse("learn_style", ["--config=anime", "--config.network.convolution=winograd"])
    with pytest.raises(InputError, match=r"convolution \(=winograd\) is for a CPU, and this is a"):
        load_network(config.config)
