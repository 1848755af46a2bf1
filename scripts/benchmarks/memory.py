"""The most memory that a process takes for some steps, Python and all libraries included.

A step is value and gradient of the 16-layer Gram objective, taken by Adam: what L-BFGS remembers
comes on top, and is the same for all (24 bytes a pixel and curvature pair).
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from scripts.benchmarks import ours
from scripts.benchmarks.program import alone, peak, require
from scripts.benchmarks.race import compare
from styleinv.minimize import Adam, minimize
from styleinv.parameters import PARAMETERS
from styleinv.style import measure
from styleinv.synthesize import ImageLoss
from styleinv.vgg import layer_names

_SEEN = 64  # pixels at which the target is measured: moments have the same shapes at all


class OurSteps:
    """Ours.

    Args:
        target: f32[h, w, 3], the picture whose Gram matrices are aimed at.
    """

    def __init__(self, target: np.ndarray, rematerialize: bool):
        ours.set_up(keep_freed=not rematerialize)
        self._rematerialize = rematerialize
        self._network = ours.load_network()
        style = measure(self._network, target, layer_names(), resolution=len(target))
        self._objective = ours.gram_objective(style)

    def peak(self, image: np.ndarray, steps: int) -> float:
        """Megabytes that the process has had at most, after so many steps from f32[h, w, 3]."""
        pixels = PARAMETERS["pixels"]
        for _ in minimize(
            ImageLoss(pixels.decode, self._rematerialize),
            pixels.init(jnp.asarray(image)),
            (self._network, self._objective),
            Adam(steps=steps),
            steps,
            frugal=self._rematerialize,
        ):
            pass
        return peak()


def rows(resolutions: Sequence[int], steps: int) -> list[dict[str, Any]]:
    """Two rows for each resolution: by default, and with rematerialization."""
    require("torch")
    result, target = [], ours.noise(_SEEN)
    for resolution in resolutions:
        image, rival = ours.noise(resolution, 1), "scripts.benchmarks.torch_rival:TorchStep"
        theirs = alone(rival, (target,), "peak", image, steps)
        for rematerialize in (False, True):
            made_of = target, rematerialize
            mine = alone(f"{__name__}:OurSteps", made_of, "peak", image, steps)
            row = {"resolution": resolution, "rematerialize": rematerialize}
            result.append(row | compare([mine], [theirs]))
    return result
