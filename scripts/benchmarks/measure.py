"""A pass over a dataset: seconds a picture from files to moments, against PyTorch, turn by turn.

The pictures are made from a seed and lie on the disk, two or three times as large as they are seen.
Both see them with as many pixels: ours in their own aspects, in batches; the rival as squares, one
by one. Ours also finds means, and the squares of each picture. What is compiled and warmed up in a
first pass is not counted.

Beside it, what PyTorch takes for nothing but the network, forward, of batches as large as ours that
are in memory already.
"""

import statistics
import time
from pathlib import Path
from typing import Any

from scripts.benchmarks import ours
from scripts.benchmarks.program import Program, require
from scripts.benchmarks.race import alternate, compare
from scripts.many_pictures import pictures
from styleinv import dataset
from styleinv.measuring.part import Part
from styleinv.measuring.pipeline import batch_size, measure_items
from styleinv.measuring.sample import Plan
from styleinv.measuring.sums import Sums
from styleinv.vgg import PIXELS, layer_names


class OurPass:
    """Ours."""

    def __init__(self, folder: Path, resolution: int):
        ours.set_up(keep_freed=False)
        self._items = dataset.shares(dataset.find(folder))
        self._network = ours.load_network()
        self._plan = _plan(resolution)

    def seconds(self) -> float:
        """That a pass takes."""
        begun, plan, items = time.perf_counter(), self._plan, self._items
        part = Part(Sums.empty(plan.regions, plan.resolutions, plan.layers), len(items))
        for _ in measure_items(self._network, items, range(len(items)), plan, part):
            pass
        part.sums.styles()
        return time.perf_counter() - begun


def _plan(resolution: int) -> Plan:
    return Plan((PIXELS, *layer_names()), (resolution,))


def rows(resolution: int, count: int, repeats: int) -> list[dict[str, Any]]:
    """One row."""
    require("torch")
    with (
        pictures(count, [2 * resolution, 3 * resolution]) as folder,
        Program(f"{__name__}:OurPass", folder, resolution) as mine,
        Program("scripts.benchmarks.torch_pass:TorchPass", folder, resolution) as theirs,
    ):
        size = batch_size(_plan(resolution), count)
        found = alternate(
            1 + repeats,
            lambda: mine("seconds") / count,
            lambda: theirs("seconds") / count,
            lambda: theirs("forward", size) / count,
        )
    first, second, alone = (each[1:] for each in found)
    row = {"resolution": resolution, "images": count} | compare(first, second)
    forward = statistics.median(alone)
    return [
        row
        | {
            "images_per_second": 1 / row["ours"],
            "rival_images_per_second": 1 / row["rival"],
            "rival_forward": forward,
            "ratio_to_forward": row["ours"] / forward,
        }
    ]
