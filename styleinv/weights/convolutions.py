"""What is loaded: the convolutions of one VGG, and the map from a picture to its input.

`layers(network)` is the table of their names and channels; `Weights` holds the numbers.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Simonyan & Zisserman 2014, table 1, columns D and E: 3x3 convolutions in each of five blocks.
BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


def layers(network: str) -> dict[str, tuple[int, int]]:
    """The convolutions of `network` in order: `{"conv1_1": (c_in, c_out), ...}`."""
    table, c_in = {}, 3
    for block, (count, c_out) in enumerate(zip(BLOCKS[network], CHANNELS, strict=True), start=1):
        for conv in range(1, count + 1):
            table[f"conv{block}_{conv}"] = (c_in, c_out)
            c_in = c_out
    return table


@dataclass(frozen=True, eq=False)
class Weights:
    """Convolutions of a VGG with their own preprocessing; every array is f32 and read-only.

    `kernels["conv1_1"]` is f32[3, 3, c_in, c_out], `biases["conv1_1"]` f32[c_out]; both hold the
    same names in network order, all of the network's or a prefix of them. The network's input is
    `rgb @ matrix + offset`, with `rgb` in [0, 1].
    """

    name: str
    network: str
    kernels: dict[str, np.ndarray]
    biases: dict[str, np.ndarray]
    matrix: np.ndarray  # f32[3, 3], rows are R, G, B
    offset: np.ndarray  # f32[3]
    credit: str  # one line: authors, license, where from
    family: str  # which training made the numbers: "original", "torchvision" or "random"

    def __post_init__(self):
        for array in (*self.kernels.values(), *self.biases.values(), self.matrix, self.offset):
            array.setflags(write=False)

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of the numbers alone, the same whichever file they came in."""
        named = [(f"{name}.kernel", kernel) for name, kernel in self.kernels.items()]
        named += [(f"{name}.bias", bias) for name, bias in self.biases.items()]
        sha256 = hashlib.sha256()
        for name, array in [*named, ("matrix", self.matrix), ("offset", self.offset)]:
            sha256.update(f"{name} {array.shape}\n".encode())
            sha256.update(np.ascontiguousarray(array, "<f4").data)
        return sha256.hexdigest()
