"""Round trip: held-out originals in the learned style, beside what the filter made of them.

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.questions import prediction
from experiments.questions.measuring import distances, see, style_of
from experiments.questions.scenes import Picture, digests, find_pictures, held_out
from experiments.questions.subrun import Bench, made_by, refuse_leak
from experiments.session import Session
from experiments.validate import style_layers
from styleinv.config import Config

if TYPE_CHECKING:
    import numpy as np

PERCEPTUAL = ("relu1_2", "relu2_2", "relu3_3", "relu4_2")
NOTHING, LEARNED, SINGLE, CHANGED = "nothing", "learned", "single", "changed"


class Plan(NamedTuple):
    """What is asked of what.

    Attributes:
        pictures: {scene: filtered picture with its original}.
        train, held: scenes.
        singles: scenes of train whose pictures are tried alone.
    """

    pictures: Mapping[str, Picture]
    train: Sequence[str]
    held: Sequence[str]
    singles: Sequence[str]


def missing(config: Config) -> str:
    """What the question cannot be asked without."""
    return "" if config.dataset.originals else "the original photographs (config.dataset.originals)"


def find(config: Config) -> Plan:
    """Raises an InputError for files that cannot be used."""
    import numpy as np

    pictures = find_pictures(config, config.dataset.path, config.dataset.originals)
    held = held_out(config, list(pictures))[0]
    train = [scene for scene in pictures if scene not in held]
    order = np.random.default_rng(config.verify.seed).permutation(len(train))
    singles = [train[i] for i in order[: config.verify.singles]]
    return Plan(pictures, train, held, singles)


def ask(opened: Session, bench: Bench, plan: Plan) -> dict[str, Any] | None:
    """{way: {scene: {measure: distance}}}, their means, and predictions; None if stopped."""
    paths = [plan.pictures[scene].path for scene in plan.train]
    if not bench.learn("round_trip/learned", paths):
        return None
    learned = bench.folder / "round_trip/learned"
    secret = set(digests(plan.pictures, plan.held).values())
    refuse_leak(learned, secret)
    photos = [original for s in plan.held if (original := plan.pictures[s].original)]
    made = {NOTHING: [photos], LEARNED: [], SINGLE: [], CHANGED: []}
    styles = {LEARNED: [[learned / "style.png"]], CHANGED: [paths]}
    styles[SINGLE] = [[plan.pictures[scene].path] for scene in plan.singles]
    for way, of_way in styles.items():
        originals = opened.config.dataset.originals if way == CHANGED else ""
        for number, style in enumerate(of_way, 1):
            name = f"round_trip/restyled_{way}" + (f"_{number}" if way == SINGLE else "")
            if not bench.restyle(name, photos, style, originals):
                return None
            refuse_leak(bench.folder / name, secret)
            made[way].append(made_by(bench.folder / name))
    known = {scene: picture.original for scene, picture in plan.pictures.items()}
    filters = {"": plan.pictures}
    found = prediction.predict(
        opened, filters, {s: path for s, path in known.items() if path}, [plan.held]
    )
    if found is None:
        return None
    return _compared(opened, plan, made) | {"predictions": found["predictions"][""]}


def _compared(
    opened: Session, plan: Plan, made: Mapping[str, Sequence[Sequence[Path]]]
) -> dict[str, Any]:
    from styleinv import intervals

    rows: dict[str, list[dict[str, float]]] = {way: [] for way in made}
    for index, scene in enumerate(plan.held):
        truth = see(opened, plan.pictures[scene].path)
        aims = _Truth(opened, truth)
        for way, tries in made.items():
            each = [aims.distances(paths[index]) for paths in tries]
            rows[way].append({key: sum(d[key] for d in each) / len(each) for key in each[0]})
    measures = list(rows[NOTHING][0])

    def of(way, measure):
        return [row[measure] for row in rows[way]]

    ways = [way for way in rows if made[way]]
    return {
        "pictures": digests(plan.pictures, plan.train),
        "held_out": digests(plan.pictures, plan.held),
        "singles": list(plan.singles),
        "rows": {scene: {way: rows[way][i] for way in ways} for i, scene in enumerate(plan.held)},
        "means": {
            measure: {way: intervals.mean_of(of(way, measure))._asdict() for way in ways}
            for measure in measures
        },
        "ratios": {
            measure: {
                way: intervals.ratio_of(of(LEARNED, measure), of(way, measure))._asdict()
                for way in ways
                if way != LEARNED
            }
            for measure in measures
        },
        "shown": {
            scene: [str(made[way][0][i]) for way in (NOTHING, LEARNED, SINGLE, CHANGED)]
            + [str(plan.pictures[scene].path)]
            for i, scene in enumerate(plan.held)
        },
    }


class _Truth:
    """What the filter made of an original, f32[h, w, 3], to be compared with."""

    def __init__(self, opened: Session, truth: "np.ndarray"):
        from styleinv.strips import extract

        self._opened, self._image = opened, truth
        self._style = style_of(opened, truth)
        self._features = extract(opened.network, truth, PERCEPTUAL)

    def distances(self, path: Path) -> dict[str, float]:
        """{measure: distance} of a picture, seen in the frame of the truth."""
        import numpy as np

        from styleinv import evaluate, images

        image = images.resize(images.read(path), *self._image.shape[:2])
        apart = distances(self._opened, image, self._style)
        layers = style_layers(self._opened.config)
        found = {k: sum(apart[k].values()) / len(layers) for k in ("gram", "correlation")}
        features = evaluate.content_distances(self._opened.network, image, self._features)
        return found | {
            "features": features[PERCEPTUAL[-1]],
            "perceptual": sum(features[layer] for layer in PERCEPTUAL) / len(PERCEPTUAL),
            "pixels": float(np.sqrt(((image - self._image) ** 2).mean())),
        }
