"""Which filter made a held-out picture: the one whose learned pictures it is nearest to.

Pictures lie on a grid of scenes and filters, f[scenes, filters], row by row. Scenes are held out
whole, for all filters at once, so that no filter is known by what a picture shows. Every scene is
held out once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from styleinv.kernels import Kernels

PERMUTATIONS = 999

# (inner products f64[n, n], shares f64[filters, n]) -> f64[filters, n], the highest is named
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Naming(NamedTuple):
    """How well the makers of held-out pictures were named.

    Attributes:
        confusion: i64[filters, filters]; rows are the makers, columns what they were named.
        accuracy: the share that was named right.
        chance: what 95 of 100 shuffles of the makers within each scene stay at or below, when the
            filters are learned and the pictures named by the shuffled ones.
        p: the share of shuffles that did at least as well, this one included.
    """

    confusion: np.ndarray
    accuracy: float
    chance: float
    p: float


def folds(scenes: int, held_out: int, seed: int) -> list[np.ndarray]:
    """Scenes by number, drawn by the seed, in groups of `held_out`; the last may be smaller.

    Raises:
        ValueError: if a group would leave nothing to learn from.
    """
    if not 0 < held_out < scenes:
        raise ValueError(f"{held_out} of {scenes} scenes cannot be held out; leave some to learn")
    order = np.random.default_rng(seed).permutation(scenes)
    return [np.sort(order[i : i + held_out]) for i in range(0, scenes, held_out)]


def nearness(kernel: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """f64[filters, n]: minus the squared distance of each picture to the mean of each filter."""
    cross = shares @ kernel
    return 2 * cross - np.einsum("fn,fn->f", cross, shares)[:, None] - np.diagonal(kernel)


def alignment(kernel: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """f64[filters, n]: the cosine of each picture's vector with the mean of each filter's."""
    cross = shares @ kernel
    length = np.sqrt(np.einsum("fn,fn->f", cross, shares))[:, None] * np.sqrt(np.diagonal(kernel))
    return np.divide(cross, length, out=np.zeros_like(cross), where=length > 0)


def balanced(found: Kernels, train: np.ndarray) -> np.ndarray:
    """f64[n, n]: the sum of the layers, each over the mean square of the pictures learned from."""
    return np.asarray(sum(k / np.diagonal(k)[train].mean() for k in found.values()))


def name_makers(
    kernel_of: Callable[[np.ndarray], np.ndarray],
    score: Score,
    scenes: int,
    filters: int,
    groups: Sequence[np.ndarray],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Naming:
    """Learns every filter from the scenes of the other groups, and names the pictures of each.

    Args:
        kernel_of: bool[n], the pictures that are learned from -> their inner products f64[n, n].
        groups: scenes that are held out together, each in one group.
    """
    scene = np.repeat(np.arange(scenes), filters)
    parts = [(held := np.isin(scene, group), kernel_of(~held)) for group in groups]

    def named(makers: np.ndarray) -> np.ndarray:
        """i64[n], as they are named when `makers` i64[n] made them."""
        answer = np.empty(len(makers), int)
        for held, kernel in parts:
            shares = (makers == np.arange(filters)[:, None]) * ~held / (~held).sum() * filters
            answer[held] = score(kernel, shares).argmax(0)[held]
        return answer

    truth = np.tile(np.arange(filters), scenes)
    answer = named(truth)
    confusion = np.zeros((filters, filters), int)
    np.add.at(confusion, (truth, answer), 1)
    accuracy = float((answer == truth).mean())
    rng = np.random.default_rng(seed)
    shuffled = np.empty(permutations)
    for i in range(permutations):
        makers = rng.permuted(truth.reshape(scenes, filters), axis=1).ravel()
        shuffled[i] = (named(makers) == makers).mean()
    p = (1 + (shuffled >= accuracy).sum()) / (1 + permutations)
    return Naming(confusion, accuracy, float(np.quantile(shuffled, 0.95)), float(p))
