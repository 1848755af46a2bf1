"""One streaming pass: a dataset -> its style at every resolution asked for."""

from collections.abc import Callable, Sequence

import numpy as np

from styleinv import progress
from styleinv.dataset import Item, stream
from styleinv.masks import ALL
from styleinv.regions import layer_masks
from styleinv.style import Style, measure, merge
from styleinv.vgg import VGG


def survey(
    network: VGG,
    items: Sequence[Item],
    layers: Sequence[str],
    resolutions: Sequence[int],
    region: str = ALL,
    stop: Callable[[], int] = lambda: 0,
    recolor: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[int, Style] | None:
    """{resolution: Style} of the weighted items, in constant memory; None if stopped halfway.

    Args:
        region, recolor: see `dataset.stream`.
        stop: asked after every image.
    """
    styles: dict[int, Style] = {}
    with progress.bar("measuring", len(items)) as bar:
        for item, views in stream(items, resolutions, region, recolor):
            for resolution, view in views.items():
                masks = None
                if view.mask is not None:
                    masks = layer_masks(view.mask, layers, item.name)
                one = measure(
                    network,
                    view.image,
                    layers,
                    resolution=resolution,
                    weight=item.weight,
                    masks=masks,
                )
                before = styles.get(resolution)
                styles[resolution] = merge(before, one) if before else one
            bar.advance(1, item.name)
            if stop():
                return None
    return styles
