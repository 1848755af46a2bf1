"""Where in a style image its regions go.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from experiments import targets
from experiments.inputs import warn_of_covering
from experiments.problem import Place, places, refuse_vanishing
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Layout = Mapping[str, "np.ndarray"]  # {region: f32[h, w]}; empty: each fills an image of its own


def find_layout(config: Config) -> Layout:
    """{region: f32[h, w]} of the style image; empty where each region fills an image of its own.

    Raises:
        InputError: if it cannot be read, or a region vanishes.
    """
    from styleinv import images, masks

    mode = config.style.mode
    if mode == "full":
        return {}
    if mode == "in_place":
        items, _ = targets.read_path(config, masks.ALL)
        if len(items) != 1 or not items[0].masks:
            raise InputError(
                f"config.style.mode (=in_place) is for one picture with masks, and there are "
                f"{len(items)} pictures; choose config.style.mode=full"
                + ("" if len(items) != 1 else ", or give it a mask")
            )
        files, owner = items[0].masks, str(items[0].path)
        height, width = images.read(items[0].path).shape[:2]
    else:
        files, owner = masks.parse(config.style.layout), "the layout"
        height, width = images.read(next(iter(files.values())).path).shape[:2]
    shape = height, width
    named = masks.read_all(files, list(files), shape, owner)
    regions = config.dataset.region
    if regions == (masks.ALL,):
        regions = (*named, masks.REST) if masks.uncovered(named) else tuple(named)
    else:
        files = {k: file for k, file in files.items() if k in regions} or files
    layout = masks.read_all(files, regions, shape, owner)
    warn_of_covering([(files[k], float(m.mean())) for k, m in layout.items() if k in files])
    refuse_vanishing(config, layout, partial(images.frame, height, width), owner)
    return layout


def shape_of(layout: Layout, resolution: int) -> tuple[int, int]:
    """(h, w) of the style image: a square, or the shape of its layout."""
    from styleinv import images

    if not layout:
        return resolution, resolution
    height, width = next(iter(layout.values())).shape
    return images.frame(height, width, resolution)


def placed_at(config: Config, layout: Layout, resolution: int) -> dict[str, Place]:
    """{region: place} in the style image; empty without a layout."""
    return places(config, layout, shape_of(layout, resolution), "the style image")
