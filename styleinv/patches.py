"""Is a picture a mosaic of others? The nearest patch of any reference, for each of its patches.

Patches are compared by their pattern: f32[size, size, c], flattened, less its mean color (`bare`),
scaled to length 1; the distance of two is 1 - their cosine, from 0 (a copy) to 2. How near patches
come without any copying is read off the references, each against all the others.

After Efros & Leung 1999 and Li & Wand 2016 (patches of features); coherence after Ashikhmin 2001.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

QUANTILE = 0.01  # of the references' own distances; nearer patches are called copies
_FLAT = 0.2  # of the typical contrast; patches below it have no pattern to compare
_BLOCK = 1 << 13  # patches of a reference that are compared at a time


class Patches(NamedTuple):
    """All patches of an image, each of length 1.

    Attributes:
        rows: f32[ny * nx, size * size * c].
        contrast: f32[ny, nx], their length before.
        stride: positions from one to the next.
    """

    rows: np.ndarray
    contrast: np.ndarray
    stride: int


class Matches(NamedTuple):
    """The nearest patch among references, for every patch of an image: each [ny, nx].

    Attributes:
        distance: f32, 1 - cosine.
        reference: i64, which of them; y, x: i64, where in it.
        contrast: f32, of the image's own patch.
        stride: positions from one patch to the next.
    """

    distance: np.ndarray
    reference: np.ndarray
    y: np.ndarray
    x: np.ndarray
    contrast: np.ndarray
    stride: int


def patches(image: np.ndarray, size: int, stride: int = 1, *, bare: bool = True) -> Patches:
    """The patches of f32[h, w, c], which has at least size positions a side.

    Args:
        bare: takes each patch's mean color off; what is then compared is its pattern alone.
    """
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), (0, 1))
    windows = windows[::stride, ::stride]
    if bare:
        windows = windows - windows.mean((3, 4), keepdims=True)
    height, width = windows.shape[:2]
    rows = np.ascontiguousarray(windows.reshape(height * width, -1), np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    rows = rows / np.maximum(length, 1e-12)[:, None]
    return Patches(rows, length.reshape(height, width), stride)


def match(own: Patches, references: Sequence[Patches]) -> Matches:
    """The nearest patch in any of the references, which have stride 1."""
    shape = own.contrast.shape
    best = np.full(len(own.rows), -np.inf, np.float32)
    where = np.zeros((3, len(own.rows)), int)
    every = np.arange(len(own.rows))
    for number, other in enumerate(references):
        width = other.contrast.shape[1]
        for start in range(0, len(other.rows), _BLOCK):
            likeness = own.rows @ other.rows[start : start + _BLOCK].T
            nearest = likeness.argmax(1)
            likeness = likeness[every, nearest]
            better = likeness > best
            best = np.where(better, likeness, best)
            place = start + nearest
            found = np.stack([np.full_like(place, number), place // width, place % width])
            where = np.where(better, found, where)
    reference, y, x = where.reshape(3, *shape)
    return Matches(1 - best.reshape(shape), reference, y, x, own.contrast, own.stride)


class Yardstick(NamedTuple):
    """How near the patches of pictures come that copy nothing.

    Attributes:
        limit: the distance below which a patch is called a copy.
        flat: the contrast below which it has no pattern to compare.
        matches: of each reference against the others.
    """

    limit: float
    flat: float
    matches: Sequence[Matches]


def yardstick(sparse: Sequence[Patches], references: Sequence[Patches]) -> Yardstick:
    """What the references, at least two, say of each other.

    Args:
        sparse: of each reference, with the stride of the images to be judged.
        references: the same with stride 1.
    """
    matches = [
        match(own, [other for j, other in enumerate(references) if j != i])
        for i, own in enumerate(sparse)
    ]
    flat = _FLAT * float(np.median(np.concatenate([m.contrast.ravel() for m in matches])))
    known = [m.distance[m.contrast >= flat] for m in matches]
    return Yardstick(float(np.quantile(np.concatenate(known), QUANTILE)), flat, matches)


class Mosaic(NamedTuple):
    """How much of a picture is copied, as shares of its patches that have a pattern.

    All but `plain` are None where no patch has one.

    Attributes:
        copied: nearer to some reference than all but one in a hundred patches of the references
            are to each other.
        coherent: whose right or lower neighbor was found right or below of where they were found,
            in the same reference: a piece taken over whole.
        largest: the most patches that were found in one reference.
        distance: the median.
        plain: of all patches, those without a pattern, of which nothing is said.
    """

    copied: float | None
    coherent: float | None
    largest: float | None
    distance: float | None
    plain: float


def copies(found: Matches, measure: Yardstick) -> np.ndarray:
    """bool[ny, nx]: the patches that are called copies."""
    return (found.distance < measure.limit) & (found.contrast >= measure.flat)


def coherent(found: Matches) -> np.ndarray:
    """bool[ny, nx]: see `Mosaic.coherent`."""
    answer = np.zeros(found.distance.shape, bool)
    for axis, (dy, dx) in enumerate(((found.stride, 0), (0, found.stride))):
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        there = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        same = found.reference[here] == found.reference[there]
        same &= found.y[there] - found.y[here] == dy
        answer[here] |= same & (found.x[there] - found.x[here] == dx)
    return answer


def mosaic(found: Matches, measure: Yardstick) -> Mosaic:
    """What the matches of a picture say of it."""
    seen = found.contrast >= measure.flat
    if not seen.any():
        return Mosaic(None, None, None, None, 1.0)
    counts = np.bincount(found.reference[seen])
    return Mosaic(
        float(copies(found, measure)[seen].mean()),
        float(coherent(found)[seen].mean()),
        float(counts.max() / seen.sum()),
        float(np.median(found.distance[seen])),
        float(1 - seen.mean()),
    )


def collage(images: Sequence[np.ndarray], side: int, seed: int) -> np.ndarray:
    """f32[h, w, c] of square pieces of the images, all f32[h, w, c]: what a mosaic looks like."""
    rng = np.random.default_rng(seed)
    height, width = images[0].shape[:2]
    made = np.zeros_like(images[0])
    for top in range(0, height, side):
        for left in range(0, width, side):
            piece = made[top : top + side, left : left + side]
            source = images[int(rng.integers(len(images)))]
            h, w = piece.shape[:2]
            y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
            piece[:] = source[y : y + h, x : x + w]
    return made
