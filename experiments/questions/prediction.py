"""How well the change that a filter makes predicts the statistics of pictures that it has not seen.

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.questions.measuring import see, style_of
from experiments.questions.scenes import Picture
from experiments.session import Session
from experiments.validate import style_layers


def predict(
    opened: Session, pictures: Mapping[str, Picture], train: Sequence[str], held: Sequence[str]
) -> dict[str, Any] | None:
    """{statistic: {"mean", "nothing" and "change": interval of the distance}}; None if stopped.

    The distance of three guesses from the statistics of each held-out filtered picture: the mean of
    the filtered pictures, the original's own statistics, and what the change makes of these.
    """
    from styleinv import change, compare, intervals
    from styleinv.survey import survey, survey_changes
    from styleinv.vgg import PIXELS

    resolution, layers = opened.config.resolution, style_layers(opened.config)
    items = [
        pictures[scene].item._replace(weight=1 / len(train), original=pictures[scene].original)
        for scene in train
    ]
    asked = opened.network, items, (PIXELS, *layers), [resolution]
    changes, styles = survey_changes(*asked, stop=opened.stop), survey(*asked, stop=opened.stop)
    if changes is None or styles is None:
        return None
    found: dict[str, dict[str, list[float]]] = {}
    for scene in held:
        picture = pictures[scene]
        if picture.original is None:
            continue
        truth, original = (
            style_of(opened, see(opened, p)) for p in (picture.path, picture.original)
        )
        guesses = {
            "mean": styles["all"][resolution],
            "nothing": original,
            "change": change.predict(changes["all"][resolution], original),
        }
        for guess, style in guesses.items():
            totals = compare.totals(compare.distances(style, truth, layers))
            for statistic in ("gram", "correlation"):
                found.setdefault(statistic, {}).setdefault(guess, []).append(totals[statistic])
    return {
        statistic: {guess: intervals.mean_of(row)._asdict() for guess, row in rows.items()}
        for statistic, rows in found.items()
    }
