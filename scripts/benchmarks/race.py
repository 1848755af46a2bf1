"""A race to losses: the rival sets the marks, ours runs until it has passed the last."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Run(NamedTuple):
    """What ours came to.

    Attributes:
        start: seconds before the first step.
        reached: {loss: (seconds since the beginning, steps)}.
        image: f32[h, w, 3], the last.
        loss: the last image's.
        floor: the share of every loss that no image is without.
    """

    start: float
    reached: Mapping[float, tuple[float, int]]
    image: np.ndarray
    loss: float
    floor: float = 0.0


def row(run: Run, rival_start: float, seconds: float, loss: float) -> dict[str, Any]:
    """Ours against a rival that has that loss after so many seconds, start-up included."""
    mine, steps = run.reached[loss]
    return {
        "loss": loss,
        "ours": mine,
        "rival": seconds,
        "ratio": mine / seconds,
        "ratio_without_start": (mine - run.start) / (seconds - rival_start),
        "start": run.start,
        "rival_start": rival_start,
        "our_steps": steps,
    }
