"""The plot of the known style: a picture of every kind of answer, small enough for a README."""

import io

import pytest
from PIL import Image

from styleinv.pages import known_style_plot


def totals(counts, scale=1.0):
    falling = [scale / (3 + count) for count in counts]
    return {
        "learned": falling,
        "statistics": falling,
        "pixel_mean": [scale * x for x in range(1, len(counts) + 1)],
        "single": [0.3 * scale] * max(counts),
        "noise": [2 * scale],
        "floor": [0.01 * scale],
    }


@pytest.mark.parametrize("counts", [[1], [1, 2, 4, 8, 16], [3, 100]])
@pytest.mark.parametrize("narrow", [False, True])
def test_draw_makes_a_picture_of_any_counts(counts, narrow):
    content = known_style_plot.draw(counts, totals(counts), narrow=narrow)
    image = Image.open(io.BytesIO(content))
    assert (image.width > 1.2 * image.height) != narrow
    assert len(content) < 100_000


def test_draw_shows_distances_of_any_size():
    same = [known_style_plot.draw([1, 2], totals([1, 2], scale)) for scale in (1e-6, 1, 1e4)]
    assert len(set(same)) == 3
