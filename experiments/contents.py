"""The photographs that a transfer restyles, and their regions.

The libraries are imported inside, so that `--help` stays quick.
"""

import os
import re
from collections.abc import Container, Mapping, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from experiments import targets
from experiments.inputs import (
    ShapeAt,
    refuse_narrow,
    seen_shape,
    warn_of_covering,
    warn_of_small,
    with_masks,
)
from experiments.problem import refuse_vanishing
from experiments.targets import Source
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from styleinv.dataset import Checked, Item
    from styleinv.measuring.sample import Recolor
    from styleinv.photo import Photo


class Content(NamedTuple):
    """A photograph to restyle.

    Attributes:
        item: where it is, and its masks.
        checked: what is known of its file.
        photo: what the files that are of it at any alpha are called, without an extension.
        name: what its other files are called.
        regions: "all", or those of its masks that are not empty.
        alpha: the weight of the content term.
    """

    item: "Item"
    checked: "Checked"
    photo: str
    name: str
    regions: tuple[str, ...]
    alpha: float


def find_contents(config: Config) -> list[Content]:
    """The photographs, once for each alpha, checked, with names that are all different.

    Raises:
        InputError: for whatever of them cannot be used.
    """
    from styleinv import dataset, masks

    items = dataset.find(config.content.path)
    if labels := [item.region for item in items if item.region]:
        raise InputError(
            f"config.content.path (={config.content.path}) has a photo for the region {labels[0]}; "
            "leave the name out: config.content.masks say where regions are"
        )
    items = with_masks(items, "content", config.content.masks)
    checked = dataset.check(items)
    for shape_at in _shapes_at(config):
        refuse_narrow(config, items, checked, shape_at)
    warn_of_small(config, items, checked)
    contents: list[Content] = []
    names: list[str] = []
    covered = []
    for item, one in zip(items, checked, strict=True):
        shape, regions = (one.height, one.width), [masks.ALL]
        found = masks.read_all(item.masks, list(item.masks), shape, item.path)
        if found:
            covered += [(item.masks[r], float(mask.mean())) for r, mask in found.items()]
            regions = [*found, masks.REST] if masks.uncovered(found) else list(found)
        stem = _stem(item.name)
        photo = next(n for n in chain([stem], (f"{stem}-{i}" for i in count(2))) if n not in names)
        names.append(photo)
        for alpha in config.alpha:
            name = photo + _of_alpha(config.alpha, alpha)
            contents.append(Content(item, one, photo, name, tuple(regions), alpha))
    warn_of_covering(covered)
    return contents


def _stem(name: str) -> str:
    """What the names of a photo's files begin with: at most 150 of the 255 bytes of a name."""
    stem = re.sub(r"[^\w.-]+", "_", Path(name).stem) or "photo"
    return stem.encode()[:150].decode(errors="ignore")


def _of_alpha(alphas: Sequence[float], alpha: float) -> str:
    """What a name ends with: six digits of alpha, or all of them where six are another's too."""
    if len(alphas) == 1:
        return ""
    short = [f"{each:g}" for each in alphas]
    return f"_alpha{alpha:g}" if short.count(f"{alpha:g}") == 1 else f"_alpha{alpha!r}"


def find_sources(config: Config, contents: Sequence[Content]) -> dict[str, Source]:
    """{region: source} for the regions of all contents; the rest may be without.

    Raises:
        InputError: if a region that has a name has no style, or one that has a style vanishes.
    """
    from styleinv.masks import ALL, REST

    regions = {region: region for content in contents for region in content.regions}
    masked, of_style = set(regions) != {ALL}, list(config.dataset.region)
    if of_style != [ALL] and (masked or len(of_style) > 1):
        raise InputError(
            f"config.dataset.region (={','.join(of_style)}) is more than one style for the photo; "
            "config.content.masks say where each goes"
        )
    sources = targets.choose_sources(config, regions if masked else {ALL: of_style[0]})
    _refuse_unmasked(contents, sources)
    sources = targets.check_sources(config, sources)
    missing = [region for region in regions if region not in sources and region != REST]
    if missing:
        raise InputError(
            f"there is no style for the region {missing[0]}; "
            f"write --config.style={missing[0]}=FILE, or give the style's picture such a mask"
        )
    given = [str(source.given) for source in sources.values() if source.given]
    kept = config.content.original_colors
    if kept != "no" and given:
        raise InputError(
            f"config.content.original_colors (={kept}) needs the style's pictures, and {given[0]} "
            "holds none; give them, or the style.png that was learned from them"
        )
    for content in contents[:: len(config.alpha)]:  # each photograph once
        shape = content.checked.height, content.checked.width
        styled = {k: mask for k, mask in region_masks(content, shape).items() if k in sources}
        for shape_at in _shapes_at(config):
            refuse_vanishing(config, styled, partial(shape_at, *shape), str(content.item.path))
    return sources


def _refuse_unmasked(contents: Sequence[Content], sources: Mapping[str, Source]) -> None:
    """Raises an InputError for a region that no picture of its style, whose masks differ, has."""
    from styleinv.masks import ALL, REST

    for region, source in sources.items():
        there = list(dict.fromkeys(name for item in source.items for name in item.masks))
        free = any(item.region == region and not item.masks for item in source.items)
        if region in (ALL, REST, *there) or free or not there:
            continue
        file = next(c.item.masks[region] for c in contents if region in c.regions)
        example = f"{there[0]}={file.path}{f'#{file.color}' if file.color else ''}"
        raise InputError(
            f"no picture of the style has a mask {region}, but {', '.join(there)}; call the "
            f"photo's regions what theirs are (--config.content.masks={example}), or write "
            f"--config.style={region}=FILE"
        )


def _shapes_at(config: Config) -> list[ShapeAt]:
    """How photographs are seen: as they are restyled and, by style.debias, as styles are."""
    return [view_shape, partial(seen_shape, config)] if config.style.debias else [view_shape]


def view(image: "np.ndarray", resolution: int) -> "np.ndarray":
    """The photograph with about resolution^2 pixels, in its own aspect ratio."""
    from styleinv import images

    height, width = image.shape[:2]
    return images.resize(image, *view_shape(height, width, resolution))


def view_shape(height: int, width: int, resolution: int) -> tuple[int, int]:
    """(h, w) of `view`."""
    scale = resolution / (height * width) ** 0.5
    return max(1, round(height * scale)), max(1, round(width * scale))


def region_masks(content: Content, shape: tuple[int, int]) -> "dict[str, np.ndarray]":
    """{region: f32[h, w]} of a photograph of that shape; empty without regions."""
    from styleinv import masks

    if content.regions == (masks.ALL,):
        return {}
    return masks.read_all(content.item.masks, content.regions, shape, content.item.path)


def put_back(
    image: "np.ndarray",
    photo: "np.ndarray",
    masks: "Mapping[str, np.ndarray]",
    styled: Container[str],
) -> "np.ndarray":
    """f32[h, w, 3]: the picture, with the photo as it was in regions that have no style.

    Args:
        photo: f32 of the file's own size, as {region: mask} are.
        styled: the regions that have one.
    """
    from styleinv import images

    height, width = image.shape[:2]
    for region, mask in masks.items():
        if region not in styled:
            inside = images.resize(mask, height, width)[..., None]
            image = image + inside * (images.resize(photo, height, width) - image)
    return image


def own_sources(
    config: Config,
    sources: Mapping[str, Source],
    content: Content,
    taken: "Photo",
    masks: "Mapping[str, np.ndarray]",
) -> dict[str, Source]:
    """The sources as this photograph has its own: in its colors, or as a filter would change it.

    Args:
        masks: {region: f32[h, w]} of the photograph: each region has the colors that are in it.
    """
    own = {
        name: source._replace(own=f"styles/{content.photo}/{name}.safetensors")
        for name, source in sources.items()
    }
    if config.content.original_colors == "no":
        return own
    photo = view(taken.image, config.resolution)
    return {
        name: source._replace(recolor=_recolor(config, photo, masks.get(name)))
        for name, source in own.items()
    }


def _recolor(config: Config, photo: "np.ndarray", region: "np.ndarray | None") -> "Recolor":
    """Gives a style's picture, inside its mask, the colors that the photo has inside the region."""
    from styleinv import colors

    inside = None if region is None else view(region, config.resolution)
    kinds = {"luminance": colors.match_luminance, "match": colors.match_colors}
    change = kinds[config.content.original_colors]
    return lambda style, mask: change(style, photo, mask, inside)


def output_name(config: Config, content: Content) -> str:
    """Of the stylized picture, in the run's folder: by the photo's name if there may be several."""
    single = len(config.alpha) == 1 and os.path.isfile(config.content.path)
    return "stylized.png" if single else f"stylized/{content.name}.png"
