"""Does this network see what it should? A fixed picture through it, against stored activations.

Wrong preprocessing, swapped channels and mixed-up layers all load without a word and give pictures
that are merely bad. The fingerprint is free of scale, channel by channel, so that one serves every
rescaled copy of the same training.
"""

from typing import NamedTuple

import numpy as np

from styleinv.errors import InputError
from styleinv.weights.convolutions import Weights

RESOLUTION = 64
_CHANNELS = 4  # of each layer
_GRID = 4  # positions along each side
# Full precision has 0.9999 against 8 bits, as far as it could be tried (conv3_1). Means of red and
# blue exchanged, the mildest mistake, have 0.9983.
_ALIKE = 0.999


class Report(NamedTuple):
    """What the self-test found; `similarity` is empty where no fingerprint is known."""

    family: str
    similarity: dict[str, float]  # by layer, 1 is the stored activations
    layers: int

    def __str__(self) -> str:
        if not self.similarity:
            return (
                f"self-test: the activations of {self.layers} layers are finite and plausible; "
                f"no fingerprint is stored for {self.family} weights of this network"
            )
        lowest = min(self.similarity, key=self.similarity.__getitem__)
        return (
            f"self-test: {self.layers} layers, {len(self.similarity)} compared with the stored "
            f"fingerprint; lowest similarity {self.similarity[lowest]:.4f} at {lowest}"
        )


@np.errstate(over="ignore", invalid="ignore")  # what overflows is reported
def check(weights: Weights) -> Report:
    """What the self-test finds.

    Raises:
        InputError: if an activation is not plausible, or the fingerprint of the family is missed.
    """
    activations = _activations(weights)
    for name, activation in activations.items():
        alive = np.mean(activation > 0)
        if not np.isfinite(activation).all() or not 0.001 < alive < 0.999:
            raise InputError(
                f"the weights {weights.name} fail the self-test: at {name}, {alive:.1%} of the "
                "activations are positive; the file is damaged, or expects another input"
            )
    stored = _FINGERPRINTS.get((weights.family, weights.network), {})
    similarity = {
        name: _similarity(fingerprint(activations[name]), np.array(stored[name]))
        for name in stored
        if name in activations
    }
    for name, value in similarity.items():
        if not value >= _ALIKE:  # nor if it is not a number
            raise InputError(
                f"the weights {weights.name} fail the self-test: the activations of {name} have "
                f"similarity {value:.3f} to those stored, not 1; the file or its preprocessing "
                "is another"
            )
    return Report(weights.family, similarity, len(activations))


def picture() -> np.ndarray:
    """f32[64, 64, 3] in [0, 1]: colored waves of several lengths, without symmetry."""
    y, x = np.mgrid[:RESOLUTION, :RESOLUTION] / RESOLUTION
    phases = np.stack([5 * x * (1 + y), 9 * y - 4 * x * x, 23 * x * y + 3 * y], axis=-1)
    return (0.5 + 0.5 * np.sin(phases * [2, 3, 1] + [0, 1, 2])).astype(np.float32)


def fingerprint(activation: np.ndarray) -> np.ndarray:
    """f32[channels, positions], a sparse sample of f32[h, w, c], with rows of length 1."""
    height, width, count = activation.shape
    rows = (np.arange(_GRID) + 0.5) * height / _GRID
    columns = (np.arange(_GRID) + 0.5) * width / _GRID
    channels = (np.arange(_CHANNELS) + 0.5) * count / _CHANNELS
    sample = activation[np.ix_(rows.astype(int), columns.astype(int), channels.astype(int))]
    sample = sample.reshape(-1, _CHANNELS).T
    return sample / np.linalg.norm(sample, axis=1, keepdims=True)


def _similarity(actual: np.ndarray, desired: np.ndarray) -> float:
    return float(np.mean(np.sum(actual * desired, axis=1) / np.linalg.norm(desired, axis=1)))


def _activations(weights: Weights) -> dict[str, np.ndarray]:
    """{"conv1_1": f32[h, w, c], ...} before the ReLU; zero padding, max pooling."""
    result = {}
    features = picture() @ weights.matrix + weights.offset
    block = "1"
    for name, kernel in weights.kernels.items():
        if name[4] != block:
            block = name[4]
            height, width, count = features.shape
            features = features.reshape(height // 2, 2, width // 2, 2, count).max((1, 3))
        features = result[name] = _convolve(features, kernel) + weights.biases[name]
        features = np.maximum(features, 0)
    return result


def _convolve(features: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    padded = np.pad(features, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.tensordot(windows, kernel, axes=([3, 4, 2], [0, 1, 2]))  # windows: [h, w, c, 3, 3]


# {(family, network): {layer: [channels][positions]}}, in hundredths, made with `default`. No such
# numbers are known yet for torchvision's weights, nor for the original VGG16.
_FINGERPRINTS = {
    ("original", "vgg19"): {
        "conv1_1": [
            [37, -24, 7, -36, 26, -10, 15, -36, 26, 10, -18, -9, 32, 23, -38, -16],
            [-36, 24, -14, 30, -35, 11, -2, 23, -33, -9, 29, -9, -22, -36, 32, 17],
            [-40, 18, 0, 39, -23, 3, -11, 34, -22, -17, 22, 4, -29, -27, 42, 9],
            [39, -17, -2, -42, 21, 5, 0, -27, 23, 20, -26, -4, 26, 37, -38, -12],
        ],
        "conv2_1": [
            [37, 34, -24, -11, 15, 30, -2, -23, -13, 31, -32, 11, -21, 2, -39, 29],
            [25, 0, 22, 1, 32, -32, 39, -37, 22, -13, 14, -21, 32, -31, -21, -12],
            [9, -13, 45, -5, 4, 16, 6, 19, -10, 34, 0, -33, -19, 35, 34, -44],
            [13, -14, -10, -28, 11, -26, 12, -51, -6, 0, -26, 2, -2, -13, -65, -8],
        ],
        "conv3_1": [
            [34, -22, 16, -36, 30, 1, -4, -4, 20, 24, -37, -1, 5, 49, -13, -30],
            [-8, 12, -18, -34, -4, 15, -6, -24, -21, 3, -22, -18, -12, -18, -39, 65],
            [6, 0, -6, -30, 0, -13, -30, -31, -11, -16, -35, -32, -27, -33, -28, -42],
            [20, 24, 5, -6, 37, 24, 18, -19, 51, 33, 22, 29, 7, 23, 27, 0],
        ],
        "conv4_1": [
            [19, 38, 22, 39, 7, 16, 3, 28, 0, 8, 7, 28, 27, 32, 36, 34],
            [15, 22, 22, 48, -4, 17, 31, 58, -10, 12, 10, 36, 0, 6, -9, 7],
            [-7, 5, -4, -48, -11, -4, -11, -54, -17, -10, -13, -50, -12, 0, -6, -35],
            [-23, -35, -34, -40, -7, -26, -32, -17, -14, -32, -33, -11, 18, 18, 16, 5],
        ],
        "conv5_1": [
            [-13, -34, -38, -29, -16, -37, -45, -29, -13, -17, -27, -20, -4, 5, -4, 10],
            [14, -16, -22, -4, 5, -37, -52, -37, 17, -25, -31, -19, 9, -27, -20, -8],
            [-28, -32, -11, -12, -36, -30, -14, -6, -29, -36, -24, -9, -30, -33, -18, -20],
            [3, -9, -15, -1, -24, -38, -39, -28, -23, -36, -33, -29, -9, -26, -27, -13],
        ],
        "conv5_4": [
            [-15, -15, -8, -3, -27, -28, -16, -3, -38, -44, -32, -13, -27, -36, -29, -14],
            [-17, -30, -26, -11, -21, -35, -27, -7, -30, -42, -26, -1, -30, -32, -18, 6],
            [-13, -21, -26, -16, -20, -30, -37, -20, -24, -37, -40, -24, -17, -22, -21, -9],
            [-13, -12, -7, -2, -22, -27, -21, -10, -30, -41, -38, -23, -23, -34, -34, -23],
        ],
    },
}
