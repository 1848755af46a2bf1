"""Resampling by Lanczos' filter: what Pillow gives."""

import numpy as np
import pytest
from PIL import Image

from styleinv.lanczos import resample


@pytest.mark.parametrize("size", [1, 5, 16, 17, 40, 41, 100])
@pytest.mark.parametrize("length", [1, 7, 40, 300])
def test_resample_is_that_of_pillow(length, size):
    x = np.random.default_rng(0).random((length, 6), np.float32)
    image = Image.fromarray(x).resize((6, size), Image.Resampling.LANCZOS)
    np.testing.assert_allclose(resample(x, 0, length, size), image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [3, 50, 200, 333])
def test_resample_of_a_part_is_that_of_pillow(size):
    """What lies beside the part is seen where the filter reaches it."""
    x = np.random.default_rng(0).random((200, 6), np.float32)
    image = Image.fromarray(x).resize((6, size), Image.Resampling.LANCZOS, (0, 20.25, 6, 150.5))
    np.testing.assert_allclose(resample(x, 20.25, 150.5, size), image, rtol=0, atol=1e-6)


def test_resample_takes_columns_by_the_piece():
    """A product of all of them at once would be for several threads of BLAS."""
    x = np.random.default_rng(0).random((300, 700, 3), np.float32)
    actual = resample(x, 0, 300, 20)
    assert actual.shape == (20, 700, 3)
    for column in (0, 123, 699):
        np.testing.assert_allclose(actual[:, column], resample(x[:, column], 0, 300, 20), atol=1e-6)


def test_resample_to_the_same_size_changes_nothing():
    x = np.random.default_rng(0).random((30, 2), np.float32)
    np.testing.assert_array_equal(resample(x, 0, 30, 30), x)
