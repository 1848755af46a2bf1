"""Colors that are kept, moved and put back."""

import numpy as np
import pytest

from styleinv import colors


@pytest.fixture
def style(painting):
    return painting(3, 40, 60)


@pytest.fixture
def photo(painting):
    return painting(9, 48, 48)


def moments(image):
    rows = np.float64(image).reshape(-1, 3)
    return rows.mean(0), np.cov(rows, rowvar=False, bias=True)


def gray(image):
    """Rec. 601, in double precision."""
    return np.float64(image) @ [0.299, 0.587, 0.114]


def test_luminance_is_gray_and_keeps_brightness(photo):
    actual = colors.luminance(photo)
    np.testing.assert_allclose(actual, np.repeat(gray(photo)[..., None], 3, axis=2), atol=1e-6)


def test_with_colors_of_itself_changes_nothing(photo):
    np.testing.assert_allclose(colors.with_colors_of(photo, photo), photo, atol=1e-6)


def test_with_colors_of_takes_luminance_from_one_and_hue_from_the_other(style, photo):
    style = style[:40, :48]
    photo = photo[:40, :48]
    actual = colors.with_colors_of(style, photo)
    assert actual.min() >= 0
    assert actual.max() <= 1 + 1e-6
    np.testing.assert_allclose(gray(actual), gray(style), atol=1e-5)
    chroma = actual - gray(actual)[..., None]
    wanted = photo - gray(photo)[..., None]
    # Same direction everywhere, never longer.
    np.testing.assert_allclose(np.cross(chroma, wanted), 0, atol=1e-5)
    assert np.all((chroma * wanted).sum(2) >= -1e-6)
    assert np.all(np.linalg.norm(chroma, axis=2) <= np.linalg.norm(wanted, axis=2) + 1e-5)


def test_match_luminance_has_the_photos_mean_and_contrast(style, photo):
    photo = 0.3 + 0.3 * photo  # nothing has to be clipped
    actual = gray(colors.match_luminance(style, photo))
    np.testing.assert_allclose(actual.mean(), gray(photo).mean(), atol=1e-4)
    np.testing.assert_allclose(actual.std(), gray(photo).std(), atol=1e-4)


def test_match_colors_has_the_photos_mean_and_covariance(style, photo):
    photo = 0.35 + 0.3 * photo
    actual = moments(colors.match_colors(style, photo))
    for a, desired in zip(actual, moments(photo), strict=True):
        np.testing.assert_allclose(a, desired, atol=2e-4)


def test_match_colors_of_itself_changes_nothing(photo):
    np.testing.assert_allclose(colors.match_colors(photo, photo), photo, atol=1e-4)


@pytest.fixture
def halves():
    """bool[40, 60] and bool[48, 48]: the left of the style, the top of the photo."""
    return np.mgrid[:40, :60][1] < 30, np.mgrid[:48, :48][0] < 24


def test_match_colors_of_a_region_has_the_moments_of_the_photos_region(style, photo, halves):
    left, top = halves
    photo = 0.35 + 0.3 * photo
    actual = colors.match_colors(style, photo, np.float32(left), np.float32(top))[left]
    for a, desired in zip(moments(actual), moments(photo[top]), strict=True):
        np.testing.assert_allclose(a, desired, atol=2e-4)


def test_match_luminance_of_a_region_has_mean_and_contrast_of_the_photos_region(
    style, photo, halves
):
    left, top = halves
    photo = 0.3 + 0.3 * photo
    actual = gray(colors.match_luminance(style, photo, np.float32(left), np.float32(top))[left])
    np.testing.assert_allclose(actual.mean(), gray(photo)[top].mean(), atol=1e-4)
    np.testing.assert_allclose(actual.std(), gray(photo)[top].std(), atol=1e-4)


@pytest.mark.parametrize("match", [colors.match_colors, colors.match_luminance])
def test_match_with_masks_of_everything_equals_it_without(style, photo, match):
    masks = [np.full(image.shape[:2], 0.5, np.float32) for image in (style, photo)]
    np.testing.assert_allclose(match(style, photo, *masks), match(style, photo), atol=1e-6)


@pytest.mark.parametrize("match", [colors.match_colors, colors.match_luminance])
def test_match_stays_in_range(style, painting, match):
    actual = match(style, np.float32(painting(9, 48, 48) > 0.5))
    assert actual.min() >= 0
    assert actual.max() <= 1


def test_match_colors_survives_a_picture_of_one_color(photo):
    flat = np.full((8, 8, 3), 0.25, np.float32)
    np.testing.assert_allclose(
        colors.match_colors(flat, photo)[0, 0], photo.mean((0, 1)), atol=1e-5
    )
    assert np.isfinite(colors.match_luminance(flat, photo)).all()
