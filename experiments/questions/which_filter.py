"""Which filter: of styles learned from several filters, which one made a held-out picture?

What is learned of a filter is the mean statistics of its pictures; with the originals also the
mean direction in which it moves them, and the change that follows the content (`prediction`).

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.inputs import refuse_narrow
from experiments.questions import prediction
from experiments.questions.scenes import Picture, digests, find_filters, held_out
from experiments.questions.subrun import Bench
from experiments.session import Session
from experiments.validate import style_layers
from styleinv.config import Config

if TYPE_CHECKING:
    from styleinv.manifest import Item


class Plan(NamedTuple):
    """What is asked of what.

    Attributes:
        filters: {filter: {scene: picture}}, the same scenes in all.
        originals: of the scenes, in their order; empty if they are not known.
        groups: scenes that are held out together.
    """

    filters: Mapping[str, Mapping[str, Picture]]
    originals: "list[Item]"
    groups: list[tuple[str, ...]]


def missing(config: Config) -> str:
    """What the question cannot be asked without."""
    return "" if config.verify.filters else "pictures of several filters (config.verify.filters)"


def find(config: Config) -> Plan:
    """Raises an InputError for files that cannot be used."""
    from styleinv import dataset

    filters = find_filters(config)
    first = next(iter(filters.values()))
    items = [picture.item for picture in first.values()]
    originals = []
    if config.dataset.originals:
        found = dataset.with_originals(items, config.dataset.originals)
        originals = [item._replace(path=item.original or Path()) for item in found]
        refuse_narrow(config, originals, dataset.check(originals))
    return Plan(filters, originals, held_out(config, list(first)))


def ask(opened: Session, bench: Bench, plan: Plan) -> dict[str, Any] | None:
    """{measure: accuracy, confusion matrix, p}, and what is foreseen; None if stopped."""
    from functools import partial

    import numpy as np

    from styleinv import kernels, naming

    names, scenes = list(plan.filters), list(next(iter(plan.filters.values())))
    items = [plan.filters[name][scene].item for scene in scenes for name in names]
    made, groups = len(items), [np.array([scenes.index(s) for s in g]) for g in plan.groups]
    found = kernels.kernels(
        opened.network,
        [*items, *plan.originals],
        style_layers(opened.config),
        opened.config.resolution,
        stop=opened.stop,
    )
    if found is None:
        return None
    before = made + np.repeat(np.arange(len(scenes)), len(names))
    grid, seed = (len(scenes), len(names), groups), opened.config.verify.seed
    answers = {}
    for statistic, own in found.items():
        ones = {layer: kernel[:made, :made] for layer, kernel in own.items()}
        seen = partial(naming.balanced, ones)
        answers[statistic] = naming.name_makers(seen, naming.nearness, *grid, seed=seed)
        if plan.originals:
            moved = {
                layer: kernels.displacements(kernel, np.arange(made), before)
                for layer, kernel in own.items()
            }
            cosines = kernels.directions(moved)  # of no scale that would have to be learned
            answers[f"change of {statistic}"] = naming.name_makers(
                lambda _, cosines=cosines: cosines, naming.alignment, *grid, seed=seed
            )
    foreseen = None
    if plan.originals:
        photos = {s: item.path for s, item in zip(scenes, plan.originals, strict=True)}
        foreseen = prediction.predict(opened, plan.filters, photos, plan.groups)
        if foreseen is None:
            return None
    return {
        "filters": names,
        "scenes": scenes,
        "held_out": [list(group) for group in plan.groups],
        "pictures": {name: digests(own, scenes) for name, own in plan.filters.items()},
        "permutations": naming.PERMUTATIONS,
        "foreseen": foreseen,
        "measures": {
            measure: answer._asdict() | {"confusion": answer.confusion.tolist()}
            for measure, answer in answers.items()
        },
    }
