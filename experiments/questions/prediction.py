"""What a filter makes of pictures that it was not learned from, predicted by its change.

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.questions.measuring import see
from experiments.questions.scenes import Picture
from experiments.session import Session
from experiments.validate import style_layers

if TYPE_CHECKING:
    from styleinv.change import Change
    from styleinv.style import Style

STATISTICS = ("gram", "correlation")
Filters = Mapping[str, Mapping[str, Picture]]


class _Learned(NamedTuple):
    """Of one filter: its change, and the mean of what it made."""

    change: "Change"
    mean: "Style"


def predict(
    opened: Session,
    filters: Filters,
    originals: Mapping[str, Path],
    groups: Sequence[Sequence[str]],
) -> dict[str, Any] | None:
    """{"predictions", "confusion", "accuracy"}; None if stopped.

    "predictions" is {filter: {statistic: {"mean", "nothing" and "change": interval}}}: how far from
    each held-out filtered picture are the mean of the filtered pictures, the original's own
    statistics, and what the change makes of these. "confusion" counts, for every filter, whose
    change explains its held-out pictures best, see `change.agreements`.

    Args:
        originals: {scene: photograph}.
        groups: scenes that are held out together; what is learned for one group, is learned from
            all other scenes.
    """
    from styleinv import change, compare, intervals, progress
    from styleinv.style import measure

    names, layers = list(filters), style_layers(opened.config)
    scenes = list(filters[names[0]])
    apart: dict[str, Any] = {name: {s: {} for s in STATISTICS} for name in names}
    confusion = [[0] * len(names) for _ in names]
    with progress.bar("predicting", len(groups) * len(scenes)) as bar:

        def style_of(path: Path) -> "Style":
            image = see(opened, path)
            return measure(opened.network, image, layers, resolution=opened.config.resolution)

        def seen(chosen: Sequence[str]) -> Iterator[tuple["Style", dict[str, "Style"]]]:
            for scene in chosen:
                yield (
                    style_of(originals[scene]),
                    {name: style_of(filters[name][scene].path) for name in names},
                )
                bar.advance(1, scene)
                if opened.stop():
                    return

        for group in groups:
            learned = _learn(seen([scene for scene in scenes if scene not in group]))
            for before, afters in seen(group) if not opened.stop() else ():
                truths = list(afters.values())
                agree = [change.agreements(learned[k].change, before, truths) for k in names]
                for maker, (name, truth) in enumerate(afters.items()):
                    guesses = {
                        "mean": learned[name].mean,
                        "nothing": before,
                        "change": change.predict(learned[name].change, before),
                    }
                    for guess, style in guesses.items():
                        totals = compare.totals(compare.distances(style, truth, layers))
                        for statistic, rows in apart[name].items():
                            rows.setdefault(guess, []).append(totals[statistic])
                    named = max(range(len(names)), key=lambda k: agree[k][maker])
                    confusion[maker][named] += 1
            if opened.stop():
                return None
    return {
        "predictions": {
            name: {
                statistic: {guess: intervals.mean_of(row)._asdict() for guess, row in rows.items()}
                for statistic, rows in of_filter.items()
            }
            for name, of_filter in apart.items()
        },
        "confusion": confusion,
        "accuracy": sum(row[i] for i, row in enumerate(confusion)) / sum(map(sum, confusion)),
    }


def _learn(pairs: Iterator[tuple["Style", dict[str, "Style"]]]) -> dict[str, _Learned]:
    from styleinv import change
    from styleinv.style import merge

    learned: dict[str, _Learned] = {}
    for before, afters in pairs:
        for name, after in afters.items():
            one = _Learned(change.learn(before, after, 1.0), after)
            known = learned.get(name)
            if known:
                one = _Learned(change.merge(known.change, one.change), merge(known.mean, after))
            learned[name] = one
    return learned
