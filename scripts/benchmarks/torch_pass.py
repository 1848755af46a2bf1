"""The obvious PyTorch program that measures the Gram matrices of a folder of pictures."""

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.benchmarks.torch_rival import VGG19, device, gram, tf32, to_tensor, wait


class TorchPass:
    """Opens each picture, resizes it to a square, and adds up what the network says of it.

    Args:
        resolution: side of the square in pixels.
    """

    def __init__(self, folder: Path, resolution: int):
        self._folder, self._resolution = folder, resolution
        self._place = device()
        self._network = VGG19().to(self._place)

    def seconds(self) -> float:
        """That a pass takes."""
        begun, sums = time.perf_counter(), {}
        for path in sorted(self._folder.iterdir()):
            with torch.no_grad(), tf32(True):
                for layer, features in self._network(self._read(path)).items():
                    sums[layer] = sums.get(layer, 0) + gram(features)[0]
        wait()
        return time.perf_counter() - begun

    def forward(self, size: int) -> float:
        """That the network alone takes, of batches of so many pictures, already read."""
        every = [self._read(path) for path in sorted(self._folder.iterdir())]
        batches = [torch.cat(every[k : k + size]) for k in range(0, len(every), size)]
        wait()
        begun = time.perf_counter()
        with torch.no_grad(), tf32(True):
            for batch in batches:
                self._network(batch.contiguous(memory_format=torch.channels_last))
        wait()
        return time.perf_counter() - begun

    def _read(self, path: Path) -> torch.Tensor:
        """f32[1, 3, h, w], a square."""
        with Image.open(path) as image:
            square = image.convert("RGB").resize((self._resolution, self._resolution))
        return to_tensor(np.asarray(square, np.float32) / 255, self._place)
