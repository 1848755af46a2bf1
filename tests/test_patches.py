"""Copied patches are found, and nothing else is."""

import numpy as np
import pytest

from styleinv import patches
from styleinv.patches import Patches


def textures(count, side=40, seed=0):
    """Smooth random pictures that have nothing in common."""
    rng = np.random.default_rng(seed)
    noise = rng.random((count, side + 4, side + 4, 3))
    return list(np.float32(sum(noise[:, i : i + side, i : i + side] for i in range(5)) / 5))


def judged(images, references, size=5, stride=2):
    dense = [patches.patches(r, size) for r in references]
    measure = patches.yardstick([patches.patches(r, size, stride) for r in references], dense)
    found = [patches.match(patches.patches(i, size, stride), dense) for i in images]
    return [patches.mosaic(one, measure) for one in found], found, measure


def test_match_agrees_with_a_plain_search():
    image, *references = textures(3, side=12)
    actual = patches.match(
        patches.patches(image, 4, 3), [patches.patches(r, 4) for r in references]
    )
    for i, y in enumerate(range(0, 9, 3)):
        for j, x in enumerate(range(0, 9, 3)):
            best = (2.0, -1, -1, -1)
            for number, reference in enumerate(references):
                for v in range(9):
                    for u in range(9):
                        pair = image[y : y + 4, x : x + 4], reference[v : v + 4, u : u + 4]
                        a, b = (np.float64(p) - p.mean((0, 1)) for p in pair)
                        d = 1 - (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)
                        best = min(best, (d, number, v, u))
            place = actual.reference[i, j], actual.y[i, j], actual.x[i, j]
            np.testing.assert_allclose(actual.distance[i, j], best[0], atol=1e-5)
            assert place == best[1:]


def test_match_looks_at_a_reference_by_the_piece(monkeypatch):
    image, *references = textures(3, side=12)
    own, dense = patches.patches(image, 4, 3), [patches.patches(r, 4) for r in references]
    desired = patches.match(own, dense)
    monkeypatch.setattr(patches, "_BLOCK", 7)
    for a, d in zip(patches.match(own, dense), desired, strict=True):
        np.testing.assert_allclose(a, d, atol=1e-6)


def test_patches_that_are_not_bare_keep_their_mean_color():
    image = textures(1, side=8)[0]
    whole = patches.patches(image, 4, 4, bare=False)
    piece = image[4:, :4].transpose(2, 0, 1).ravel()
    np.testing.assert_allclose(whole.rows[2], piece / np.linalg.norm(piece), rtol=1e-5)


def test_mosaic_of_copied_pieces_is_found():
    references = textures(4)
    made = patches.collage(references, 20, seed=1)
    (one,), found, measure = judged([made], references)
    assert one.copied > 0.5  # the patches that lie within one piece
    assert one.coherent > 0.5
    pieces = patches.copies(found[0], measure)
    assert pieces[:8, :8].all()  # all of the first piece: sides of 20 hold 8 patches of 5 a side


def test_mosaic_of_a_recolored_and_blurred_copy_is_found():
    references = textures(4)
    faded = np.float32(0.2 + 0.5 * references[2])
    (one,), _, _ = judged([faded], references)
    assert one.copied > 0.95
    assert one.largest > 0.95


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_mosaic_of_noise_or_of_an_unrelated_picture_is_none(seed):
    references = textures(4)
    noise = np.float32(np.random.default_rng(seed).random((40, 40, 3)))
    for one in judged([noise, *textures(1, seed=seed)], references)[0]:
        assert one.copied < 0.08
        assert one.coherent < 0.25  # patches overlap: some neighbors come together by chance


def test_mosaic_of_a_blank_picture_says_nothing():
    (one,), _, _ = judged([np.full((40, 40, 3), 0.4, np.float32)], textures(3))
    assert one.copied is None
    assert one.plain == 1


def test_mosaic_is_of_the_patches_that_have_a_pattern():
    references = textures(4)
    half = references[1].copy()
    half[20:] = 0.4
    (one,), (found,), measure = judged([half], references)
    seen = found.contrast >= measure.flat
    assert 0.4 < seen.mean() < 0.6
    assert one.plain == pytest.approx(1 - seen.mean())
    assert one.copied > 0.8
    assert one.coherent > 0.8
    assert 0.8 < one.largest <= 1
    assert one.distance < 0.01


def test_copies_have_a_pattern():
    references = textures(4)
    _, (found,), measure = judged([references[0]], references)
    assert patches.copies(found, measure).any()
    assert not patches.copies(found._replace(contrast=0 * found.contrast), measure).any()


def test_yardstick_is_of_the_patches_that_have_a_pattern():
    references = textures(4)
    for one in references:
        one[:20] = 0.4
    _, _, measure = judged([], references)
    known = np.concatenate([m.distance[m.contrast >= measure.flat] for m in measure.matches])
    assert known.size < sum(m.distance.size for m in measure.matches)
    assert measure.limit == pytest.approx(np.quantile(known, patches.QUANTILE))


def test_yardstick_calls_one_patch_in_a_hundred_of_the_references_a_copy():
    references = textures(5)
    _, _, measure = judged([], references)
    shares = [patches.mosaic(one, measure).copied for one in measure.matches]
    assert np.mean(shares) == pytest.approx(patches.QUANTILE, abs=0.005)


def test_coherent_needs_the_neighbor_of_the_match():
    y, x = np.mgrid[:3, :3] * 2
    contrast, zero = np.ones((3, 3), np.float32), np.zeros((3, 3), int)
    found = patches.Matches(contrast, zero, y, x, contrast, 2)
    assert patches.coherent(found).sum() == 8  # all but the last, which has no neighbor
    assert patches.coherent(found._replace(x=2 * x)).sum() == 6  # below only
    assert patches.coherent(found._replace(y=2 * y)).sum() == 6  # on the right only
    assert patches.coherent(found._replace(reference=np.arange(9).reshape(3, 3))).sum() == 0
    assert isinstance(patches.patches(np.ones((9, 9, 1), np.float32), 3), Patches)
