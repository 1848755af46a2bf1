"""The obvious PyTorch program that finds one style image of several pictures.

    python -m scripts.benchmarks.torch_learning a.jpg b.jpg --resolution 256 --steps 1

Gram matrices of each picture, once; then torch.optim.LBFGS on a free image, from noise, at the full
resolution, with the sum over all pictures as the loss.
"""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from scripts.benchmarks.torch_rival import (
    VGG19,
    device,
    grams,
    layer_weights,
    style_loss,
    tf32,
    to_tensor,
)
from styleinv import images

_CONTRAST = 0.1  # of the noise, relative to the pictures' own: as our default
_ITERATIONS = 20  # of one call of the optimizer: PyTorch's default


class TorchLearning:
    """What `learn` races.

    Args:
        paths: the pictures.
        line_search: of torch.optim.LBFGS, all else of which is left as it is: "none" or
            "strong_wolfe".
    """

    def __init__(self, paths: Sequence[Path], resolution: int, line_search: str = "none"):
        self._paths, self._resolution = paths, resolution
        self._search = None if line_search == "none" else line_search
        self._place = device()

    def run(self, steps: int) -> list[tuple[float, float]]:
        """(seconds since the beginning, loss) of each evaluation, so many at least.

        The first is of none: when all is prepared, with a loss of infinity.
        """
        begun = time.perf_counter()
        with tf32(True):
            image = (
                self._prepare().contiguous().requires_grad_()
            )  # its own layout: LBFGS asks for it
            optimizer = torch.optim.LBFGS(
                [image], max_iter=min(steps, _ITERATIONS), line_search_fn=self._search
            )
            found = [(time.perf_counter() - begun, math.inf)]

            def closure() -> torch.Tensor:
                optimizer.zero_grad()
                loss = style_loss(self._network, image, self._targets, self._weights)
                loss.backward()
                found.append((time.perf_counter() - begun, loss.item()))
                return loss

            while len(found) <= steps:
                optimizer.step(closure)  # type: ignore[arg-type]  # it wants a float
        return found

    def loss(self, image: np.ndarray) -> float:
        """Of a picture f32[h, w, 3], by the objective of the last run."""
        with torch.no_grad(), tf32(False):
            x = to_tensor(image, self._place)
            return style_loss(self._network, x, self._targets, self._weights).item()

    def _prepare(self) -> torch.Tensor:
        """The objective, and the image f32[1, 3, h, w] to start from."""
        self._network, views = VGG19().to(self._place), []
        for path in self._paths:
            image = images.read(path)
            shape = images.frame(image.shape[0], image.shape[1], self._resolution)
            views.append(to_tensor(images.resize(image, *shape), self._place))
        each = [grams(self._network, view) for view in views]
        self._targets = {layer: torch.cat([found[layer] for found in each]) for layer in each[0]}
        self._weights = layer_weights(self._targets)
        torch.manual_seed(0)
        pixels = torch.cat([view.flatten(2)[0].T for view in views])
        mean, root = pixels.mean(0), torch.linalg.cholesky(torch.cov(pixels.T))
        noise = torch.randn(self._resolution, self._resolution, 3, device=self._place)
        return to_tensor((mean + _CONTRAST * noise @ root.T).clamp(0, 1).cpu().numpy(), self._place)


def main() -> None:
    """The command line; prints the loss after each evaluation."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    for _, loss in TorchLearning(given.paths, given.resolution).run(given.steps)[1:]:
        print(loss, flush=True)


if __name__ == "__main__":
    main()
