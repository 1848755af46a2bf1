"""One streaming pass: a dataset -> its style at every resolution asked for."""

from collections.abc import Callable, Sequence

import numpy as np

from styleinv import progress
from styleinv.dataset import Item, stream
from styleinv.masks import ALL
from styleinv.regions import layer_masks
from styleinv.style import Style, measure_regions, merge
from styleinv.vgg import VGG


def survey(
    network: VGG,
    items: Sequence[Item],
    layers: Sequence[str],
    resolutions: Sequence[int],
    regions: Sequence[str] = (ALL,),
    *,
    propagation: str = "soft",
    stop: Callable[[], int] = lambda: 0,
    recolor: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, dict[int, Style]] | None:
    """{region: {resolution: Style}} of the weighted items, in constant memory; None if stopped.

    Args:
        regions, recolor: see `dataset.stream`.
        propagation: see `regions.layer_masks`.
        stop: asked after every image.
    """
    styles: dict[str, dict[int, Style]] = {region: {} for region in regions}
    with progress.bar("measuring", len(items)) as bar:
        for item, views in stream(items, resolutions, regions, recolor):
            for resolution, view in views.items():
                masks = {
                    region: None
                    if mask is None
                    else layer_masks(mask, layers, item.name, propagation, network.layers)
                    for region, mask in view.masks.items()
                }
                found = measure_regions(
                    network,
                    view.image,
                    layers,
                    masks,
                    resolution=resolution,
                    weight=item.weight,
                )
                for region, one in found.items():
                    before = styles[region].get(resolution)
                    styles[region][resolution] = merge(before, one) if before else one
            bar.advance(1, item.name)
            if stop():
                return None
    return styles
