"""Inner products of the statistics of many pictures, one matrix a layer.

    kernels(network, items, layers, resolution) -> {statistic: {layer: f64[n, n]}}

Means, distances, directions and what is left when one picture is left out all follow from them, and
n x n numbers are all that is kept of n pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import numpy as np

from styleinv import progress
from styleinv.dataset import stream
from styleinv.manifest import Item
from styleinv.style import measure
from styleinv.vgg import VGG

_COLUMNS = 1 << 16  # of the embeddings, multiplied at a time in float64

Kernels = Mapping[str, np.ndarray]  # {layer: f64[n, n]}


def kernels(
    network: VGG,
    items: Sequence[Item],
    layers: Sequence[str],
    resolution: int,
    *,
    stop: Callable[[], int] = lambda: 0,
) -> dict[str, dict[str, np.ndarray]] | None:
    """{"gram" and "correlation": {layer: inner products}} of the items; None if stopped.

    The layers of one block are measured in one pass: of a whole network, the second moments of some
    hundred pictures would be more than the memory holds.

    Args:
        stop: asked after every picture of every pass.
    """
    blocks = [list(group) for _, group in groupby(layers, key=lambda name: name.split("_")[0])]
    found: dict[str, dict[str, np.ndarray]] = {"gram": {}, "correlation": {}}
    with progress.bar("comparing", len(blocks) * len(items)) as bar:
        for block in blocks:
            seconds: dict[str, list[np.ndarray]] = {layer: [] for layer in block}
            for item, views in stream(items, [resolution]):
                image = views[resolution].image
                style = measure(network, image, block, resolution=resolution)
                for layer in block:
                    seconds[layer].append(np.asarray(style.moments[layer].second, np.float32))
                bar.advance(1, item.name)
                if stop():
                    return None
            for layer in block:
                rows = np.stack(seconds.pop(layer))
                found["gram"][layer] = inner_products(rows)
                found["correlation"][layer] = inner_products(correlations(rows))
    return found


def correlations(seconds: np.ndarray) -> np.ndarray:
    """Second moments f32[n, c, c] scaled to a unit diagonal; 0 where a channel never fires."""
    gain = np.sqrt(np.einsum("nii->ni", seconds))
    inverse = np.divide(1, gain, out=np.zeros_like(gain), where=gain > 0)
    return seconds * inverse[:, :, None] * inverse[:, None, :]


def inner_products(rows: np.ndarray) -> np.ndarray:
    """f32[n, ...] -> f64[n, n]."""
    rows = rows.reshape(len(rows), -1)
    total = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], _COLUMNS):
        part = rows[:, start : start + _COLUMNS].astype(np.float64)
        total += part @ part.T
    return total


def displacements(kernel: np.ndarray, after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """f64[m, m]: inner products of x[after_i] - x[before_i], from those of x; both i64[m]."""
    sign = np.zeros((len(after), len(kernel)))
    rows = np.arange(len(after))
    sign[rows, after] += 1
    sign[rows, before] -= 1
    return sign @ kernel @ sign.T


def directions(found: Kernels) -> np.ndarray:
    """f64[n, n]: the mean over the layers of the cosines between pictures (or displacements)."""
    total = 0.0
    for kernel in found.values():
        length = np.sqrt(np.diagonal(kernel))
        inverse = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
        total = total + kernel * inverse[:, None] * inverse
    return np.asarray(total / len(found))
