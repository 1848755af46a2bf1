"""The photographs that a transfer restyles, and their regions.

The libraries are imported inside, so that `--help` stays quick.
"""

import os
import re
from collections.abc import Container, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from experiments import targets
from experiments.inputs import refuse_narrow, stages_of, warn_of_small
from experiments.targets import Source
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import jax
    import numpy as np

    from styleinv.dataset import Item
    from styleinv.photo import Photo


class Content(NamedTuple):
    """A photograph to restyle.

    Attributes:
        item: where it is, and its masks.
        name: what its files are called, without an extension.
        regions: "all", or those of its masks that are not empty.
        alpha: the weight of the content term.
    """

    item: "Item"
    name: str
    regions: tuple[str, ...]
    alpha: float


def find_contents(config: Config) -> list[Content]:
    """The photographs, once for each alpha, checked, with names that are all different.

    Raises:
        InputError: for whatever of them cannot be used.
    """
    import numpy as np

    from styleinv import dataset, masks

    items = targets.with_masks(dataset.find(config.content.path), "content", config.content.masks)
    checked = dataset.check(items)
    refuse_narrow(config, items, checked)
    warn_of_small(config, items, checked)
    contents: list[Content] = []
    names: list[str] = []
    for item, one in zip(items, checked, strict=True):
        regions, shape = list(item.masks) or [masks.ALL], (one.height, one.width)
        found = {r: masks.read(item.masks, r, shape, item.path) for r in item.masks}
        if found and (1 - np.sum(list(found.values()), axis=0)).mean() > 1e-3:
            regions.append(masks.REST)
        stem = re.sub(r"[^\w.-]+", "_", Path(item.name).stem) or "photo"
        name = next(n for n in chain([stem], (f"{stem}-{i}" for i in count(2))) if n not in names)
        names.append(name)
        for stage in stages_of(config):  # finds regions that vanish
            content = Content(item, name, tuple(regions), 0)
            region_masks(content, shape, style_layers(config), stage.resolution)
        several = len(config.alpha) > 1
        contents += [
            Content(item, f"{name}_alpha{alpha:g}" if several else name, tuple(regions), alpha)
            for alpha in config.alpha
        ]
    return contents


def find_sources(config: Config, contents: Sequence[Content]) -> dict[str, Source]:
    """{region: source} for the regions of all contents; the rest may be without.

    Raises:
        InputError: if a region that has a name has no style.
    """
    from styleinv.masks import REST

    regions = list(dict.fromkeys(region for content in contents for region in content.regions))
    sources = targets.find_sources(config, regions)
    missing = [region for region in regions if region not in sources and region != REST]
    if missing:
        raise InputError(
            f"there is no style for the region {missing[0]}; "
            f"write --config.style={missing[0]}=FILE, or give the style's picture such a mask"
        )
    given = [str(source.given) for source in sources.values() if source.given]
    if config.content.original_colors == "match" and given:
        raise InputError(
            f"config.content.original_colors (=match) needs the style's pictures, and {given[0]} "
            "holds none; choose luminance"
        )
    return sources


def view(image: "np.ndarray", resolution: int) -> "np.ndarray":
    """The photograph with about resolution^2 pixels, in its own aspect ratio."""
    from styleinv import images

    height, width = image.shape[:2]
    scale = resolution / (height * width) ** 0.5
    return images.resize(image, max(1, round(height * scale)), max(1, round(width * scale)))


def region_masks(
    content: Content, shape: tuple[int, int], layers: Sequence[str], resolution: int
) -> dict[str, tuple[dict[str, "jax.Array"], float]]:
    """{region: ({layer: f32[h_l, w_l]}, share of the picture's area)}; empty without regions.

    Args:
        shape: (h, w) of the photograph's file.
        resolution: at which it is seen.

    Raises:
        InputError: if a region vanishes at some layer.
    """
    from styleinv import masks
    from styleinv.regions import layer_masks

    if content.regions == (masks.ALL,):
        return {}
    found = {}
    for region in content.regions:
        path = content.item.path
        mask = masks.read(content.item.masks, region, shape, path)
        mask = view(mask, resolution)
        inside = layer_masks(mask, layers, f"{path} for the region {region}")
        found[region] = inside, float(mask.mean())
    return found


def put_back(
    image: "np.ndarray", photo: "np.ndarray", content: Content, styled: Container[str]
) -> "np.ndarray":
    """f32[h, w, 3]: the picture, with the photo as it was in regions that have no style.

    Args:
        photo: f32 of the file's own size.
        styled: the regions that have one.
    """
    from styleinv import images, masks

    height, width = image.shape[:2]
    for region in content.regions:
        if region not in styled:
            path, shape = content.item.path, photo.shape[:2]
            mask = masks.read(content.item.masks, region, shape, path)
            inside = images.resize(mask, height, width)[..., None]
            image = image + inside * (images.resize(photo, height, width) - image)
    return image


def recolored(config: Config, source: Source, content: Content, taken: "Photo") -> Source:
    """The source as this photograph needs it: in its colors, if these are to be kept."""
    from styleinv import colors

    kind = config.content.original_colors
    if kind == "no" or source.given:
        return source
    change = {"luminance": colors.match_luminance, "match": colors.match_colors}[kind]
    return source._replace(
        own=f"styles/{content.name}_{source.region}.safetensors",
        recolor=partial(change, photo=view(taken.image, config.resolution)),
    )


def output_name(config: Config, content: Content) -> str:
    """Of the stylized picture, in the run's folder: by the photo's name if there may be several."""
    single = len(config.alpha) == 1 and os.path.isfile(config.content.path)
    return "stylized.png" if single else f"stylized/{content.name}.png"
