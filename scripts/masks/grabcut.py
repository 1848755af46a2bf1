"""Regions from boxes and clicks: GrabCut (Rother, Kolmogorov & Blake 2004), started from a folder.

A box or a click is a seed of a region. GrabCut alone, started from a box that is the same for
every picture, often settles on a wrong border. Here it starts from what the seeds hold more often
than what is not in them does, over all pictures: an outlier in one is outvoted by the others.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import cv2
import numpy as np

from masks import palette
from styleinv.errors import InputError

_LOOKS, _DOWN = 32, 50.0
_CLICK = 0.04  # radius of what a click holds, as a share of the longer side
_FEWEST = 16  # positions of the region, or of what is not, under which GrabCut cannot learn
_ROUNDS = 2  # with more of them it drifts away from what the folder says


class Seed(NamedTuple):
    """A box (four numbers) or a click (two) of a region, in one picture or ("") in all.

    The numbers are x, y, x, y in pixels, or shares of the sides where none is above 1.
    """

    text: str
    picture: str
    region: str
    numbers: tuple[float, ...]


def parse(text: str, count: int) -> Seed:
    """The seed of "[PICTURE:]NAME=X,Y[,X,Y]".

    Raises:
        InputError: if that is not what it is.
    """
    found = re.fullmatch(r"(?:(.+):)?(\w+)=([\d.,\s]+)", text)
    numbers: list[float] = []
    with suppress(ValueError):
        numbers = [float(number) for number in found[3].split(",")] if found else []
    if not found or len(numbers) != count:
        raise InputError(f"{text} is not [PICTURE:]NAME={'X,Y,X,Y'[: 2 * count - 1]}")
    if count == 4 and (numbers[0] >= numbers[2] or numbers[1] >= numbers[3]):
        raise InputError(f"the box {text} is empty; give left,top,right,bottom")
    return Seed(text, found[1] or "", found[2], tuple(numbers))


def place(seed: Seed, name: str, height: int, width: int) -> Seed:
    """The seed with its numbers as shares of that picture's sides.

    Raises:
        InputError: if it is outside of the picture.
    """
    sides = (width, height) * 2
    scale = sides if max(seed.numbers) > 1 else (1,) * 4
    numbers = tuple(n / side for n, side in zip(seed.numbers, scale, strict=False))
    if max(numbers) > 1:
        raise InputError(f"{seed.text} is outside of {name}, which is {width}x{height} pixels")
    return seed._replace(numbers=numbers)


def propose(
    smalls: Sequence[np.ndarray], seeds: Sequence[Sequence[Seed]]
) -> list[dict[str, np.ndarray]]:
    """{region: bool[h, w]} of each small picture, for the regions that have seeds there.

    Regions do not overlap: those that are named later lie above the others.

    Args:
        seeds: of each picture, with shares for numbers.
    """
    looks = palette.centers(smalls, _LOOKS, _DOWN)
    numbers = [palette.nearest(small, looks, _DOWN) for small in smalls]
    found: list[dict[str, np.ndarray]] = [{} for _ in smalls]
    for region in dict.fromkeys(seed.region for some in seeds for seed in some):
        likely = _likely(numbers, seeds, region)
        for i, small in enumerate(smalls):
            if any(seed.region == region for seed in seeds[i]):
                cut = _cut(small, likely[numbers[i]], seeds[i], region)
                found[i] = {name: mask & ~cut for name, mask in found[i].items()} | {region: cut}
    return found


def _likely(
    numbers: Sequence[np.ndarray], seeds: Sequence[Sequence[Seed]], region: str
) -> np.ndarray:
    """bool[_LOOKS]: what its seeds hold a larger share of than the other seeds, or what is left."""
    inside, outside = np.zeros(_LOOKS), np.zeros(_LOOKS)
    for looks, some in zip(numbers, seeds, strict=True):
        own = _held([seed for seed in some if seed.region == region], looks.shape)
        others = _held([seed for seed in some if seed.region != region], looks.shape) & ~own
        if own.any():
            inside += np.bincount(looks[own], minlength=_LOOKS)
            outside += np.bincount(looks[others if others.any() else ~own], minlength=_LOOKS)
    return inside / max(1, inside.sum()) > outside / max(1, outside.sum())


def _cut(small: np.ndarray, likely: np.ndarray, seeds: Sequence[Seed], region: str) -> np.ndarray:
    """bool[h, w]: the region as far as it hangs together with its seeds."""
    own = [seed for seed in seeds if seed.region == region]
    clicks = [seed for seed in seeds if len(seed.numbers) == 2]
    labels = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    if any(seed.picture and len(seed.numbers) == 4 for seed in own):
        labels[~_held(own, likely.shape)] = cv2.GC_BGD
    labels[_held([seed for seed in clicks if seed.region != region], likely.shape)] = cv2.GC_BGD
    labels[_held([seed for seed in clicks if seed.region == region], likely.shape)] = cv2.GC_FGD
    if np.bincount(labels.ravel() % 2, minlength=2).min() >= _FEWEST:
        cv2.setRNGSeed(0)
        models, unused = (np.zeros((1, 65)), np.zeros((1, 65))), (0, 0, 1, 1)
        cv2.grabCut(small, labels, unused, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    parts = cv2.connectedComponents(labels % 2)[1]
    touched = parts[_held(own, likely.shape)]
    return np.isin(parts, touched[touched > 0])


def _held(seeds: Sequence[Seed], shape: tuple[int, ...]) -> np.ndarray:
    """bool[h, w]: what boxes or clicks hold."""
    height, width = shape
    y, x = np.mgrid[:height, :width] + 0.5
    held = np.zeros(shape, bool)
    for seed in seeds:
        left, top, right, bottom = np.resize(seed.numbers, 4) * np.resize([width, height], 4)
        if len(seed.numbers) == 4:
            held |= (x > left) & (x < right) & (y > top) & (y < bottom)
        else:
            held |= np.hypot(x - left, y - top) <= max(1, _CLICK * max(shape))
    return held
