"""One streaming pass over a dataset: its style at every resolution, or the change of a filter."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from styleinv import change, progress
from styleinv.change import Change
from styleinv.dataset import Item, View, stream
from styleinv.masks import ALL
from styleinv.measuring.part import Part
from styleinv.measuring.pipeline import measure_items
from styleinv.measuring.sample import Plan, Recolor
from styleinv.measuring.sums import Sums
from styleinv.regions import layer_masks
from styleinv.style import Style, measure_regions
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
    recolor: Recolor | None = None,
) -> dict[str, dict[int, Style]] | None:
    """{region: {resolution: Style}} of the weighted items, in constant memory; None if stopped.

    Args:
        regions, propagation, recolor: see `sample.Plan`.
        stop: asked after every batch.

    Raises:
        InputError: for an item that cannot be used.
    """
    plan = Plan(
        tuple(layers), tuple(resolutions), tuple(regions), propagation, network.layers, recolor
    )
    part = Part(Sums.empty(regions, resolutions, layers), len(items))
    with progress.bar("measuring", len(items)) as bar:
        for advance in measure_items(network, items, range(len(items)), plan, part):
            bar.advance(advance.count, advance.name)
            if stop():
                return None
    return part.sums.styles()


def survey_changes(
    network: VGG,
    items: Sequence[Item],
    layers: Sequence[str],
    resolutions: Sequence[int],
    regions: Sequence[str],
    *,
    propagation: str,
    stop: Callable[[], int],
) -> dict[str, dict[int, Change]] | None:
    """{region: {resolution: Change}} from the items' originals to them; see `survey`.

    Args:
        items: with originals, of the items' own sizes where there are masks.
    """
    originals = [item._replace(path=item.original) for item in items if item.original]
    changes: dict[str, dict[int, Change]] = {region: {} for region in regions}
    with progress.bar("measuring pairs", len(items)) as bar:
        streams = (stream(each, resolutions, regions) for each in (originals, items))
        for (item, before), (_, after) in zip(*streams, strict=True):
            both = (
                measure_views(network, views, layers, item.name, propagation, item.weight)
                for views in (before, after)
            )
            for (region, resolution, original), (_, _, filtered) in zip(*both, strict=True):
                one = change.learn(original, filtered, item.weight)
                known = changes[region].get(resolution)
                changes[region][resolution] = change.merge(known, one) if known else one
            bar.advance(1, item.name)
            if stop():
                return None
    return changes


def measure_views(
    network: VGG,
    views: Mapping[int, View],
    layers: Sequence[str],
    name: str,
    propagation: str,
    weight: float = 1.0,
) -> Iterator[tuple[str, int, Style]]:
    """(region, resolution, style) of a picture, for each of both.

    Args:
        views: {resolution: the picture}, see `dataset.views_of`.
        name, propagation: see `layer_masks`.
        weight: how much the picture counts when merged with others.

    Raises:
        InputError: for a region that vanishes.
    """
    for resolution, view in views.items():
        masks = {
            region: None
            if mask is None
            else layer_masks(mask, layers, name, propagation, network.layers)
            for region, mask in view.masks.items()
        }
        styles = measure_regions(
            network, view.image, layers, masks, resolution=resolution, weight=weight
        )
        for region, style in styles.items():
            yield region, resolution, style
