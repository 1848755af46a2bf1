"""A style or a mosaic: is the style image made of pieces of single pictures?

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.questions.measuring import see, style_of
from experiments.questions.scenes import Picture, digests, find_pictures
from experiments.questions.subrun import Bench, learned_from
from experiments.session import Session
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from styleinv.patches import Matches, Yardstick

MOST = 16  # pictures whose patches are searched; drawn by the seed
FEATURES = "relu3_1"
SIZES = {"pixels": (8, 4), FEATURES: (3, 1)}  # side of a patch, positions from one to the next


class Plan(NamedTuple):
    """{scene: picture} that are learned from, and the scenes whose patches are searched."""

    pictures: Mapping[str, Picture]
    searched: Sequence[str]


def missing(config: Config) -> str:
    """What the question cannot be asked without."""
    return "" if config.dataset.path else "a dataset (config.dataset.path)"


def find(config: Config) -> Plan:
    """Raises an InputError for files that cannot be used."""
    import numpy as np

    pictures = find_pictures(config, config.dataset.path)
    if len(pictures) < 3:
        raise InputError(
            f"mosaic: {config.dataset.path} holds {len(pictures)} pictures; three or more are "
            "needed, to know how alike they are without any copying"
        )
    scenes = list(pictures)
    order = np.random.default_rng(config.verify.seed).permutation(len(scenes))
    searched = [scenes[i] for i in sorted(order[:MOST])]
    _refuse_narrow(config, [pictures[scene] for scene in searched])
    return Plan(pictures, searched)


def _refuse_narrow(config: Config, pictures: Sequence[Picture]) -> None:
    """Raises an InputError for a picture that is seen with fewer positions than a patch has."""
    from styleinv import images, vgg

    least = max(size * vgg.layer_stride(space) for space, (size, _) in SIZES.items())
    for picture in pictures:
        height, width = images.frame(*picture.shape, config.resolution)
        if min(height, width) < least:
            raise InputError(
                f"mosaic: {picture.path} is seen at {width}x{height} pixels, and patches take "
                f"{least} each way; crop it, or raise config.resolution"
            )


def ask(opened: Session, bench: Bench, plan: Plan) -> dict[str, Any] | None:
    """Shares of copied patches, by seed, beside those of pictures known to be neither; or None."""
    from styleinv import images
    from styleinv.journal import read_json
    from styleinv.patches import collage, mosaic

    config, run = opened.config, opened.run
    if not bench.learn("mosaic/learned", [p.path for p in plan.pictures.values()], config.seeds):
        return None
    learned = bench.folder / "mosaic/learned"
    seeds = read_json(learned / "results.json")["seeds"]
    judged = {f"seed {row['seed']}": images.read(learned / row["image"]) for row in seeds}
    side = config.resolution
    whole = [see(opened, plan.pictures[scene].path) for scene in plan.searched]
    made = collage([images.resize(i, side, side) for i in whole], side // 4, config.verify.seed)
    run.write("mosaic/collage.png", images.encode_png(made))
    answers: dict[str, Any] = {}
    for space, (size, stride) in SIZES.items():
        found = _matched(opened, space, whole, [*judged.values(), made], size, stride)
        if found is None:
            return None
        matches, measure = found
        answers[space] = {
            "limit": measure.limit,
            "seeds": [mosaic(one, measure)._asdict() for one in matches[:-1]],
            "collage": mosaic(matches[-1], measure)._asdict(),
            "pictures": [mosaic(one, measure)._asdict() for one in measure.matches],
        }
        if space == "pixels":
            for name, image, one in zip(judged, judged.values(), matches, strict=False):
                shown = _map(image, one, measure, size)
                run.write(f"mosaic/{name.replace(' ', '_')}.png", images.encode_png(shown))
    return {
        "pictures": digests(plan.pictures, list(plan.pictures)),
        "learned_from": learned_from(learned),
        "searched": list(plan.searched),
        "seeds": [row["seed"] for row in seeds],
        "images": [f"mosaic/learned/{row['image']}" for row in seeds],
        "spaces": answers,
        "between_seeds": _between(opened, list(judged.values())),
    }


def _matched(
    opened: Session,
    space: str,
    whole: Sequence["np.ndarray"],
    judged: Sequence["np.ndarray"],
    size: int,
    stride: int,
) -> "tuple[list[Matches], Yardstick] | None":
    """The matches of each judged image, and what the pictures say of each other."""
    import numpy as np

    from styleinv import patches, progress
    from styleinv.strips import extract

    bare = space == "pixels"
    if not bare:  # patterns of features are what is left of them over their mean
        every = [np.asarray(extract(opened.network, i, (space,))[space]) for i in (*whole, *judged)]
        mean = np.mean([one.mean((0, 1)) for one in every[: len(whole)]], 0)
        every = [one - mean for one in every]
        whole, judged = every[: len(whole)], every[len(whole) :]
    dense = [patches.patches(one, size, bare=bare) for one in whole]
    with progress.bar(f"searching {space}", len(judged) + 1) as bar:
        sparse = [patches.patches(one, size, stride, bare=bare) for one in whole]
        measure = patches.yardstick(sparse, dense)
        bar.advance(1, "the pictures among themselves")
        matches = []
        for one in judged:
            if opened.stop():
                return None
            matches.append(patches.match(patches.patches(one, size, stride, bare=bare), dense))
            bar.advance(1)
    return matches, measure


def _map(image: "np.ndarray", found: "Matches", measure: "Yardstick", size: int) -> "np.ndarray":
    """f32[h, w, 3]: the image, pale but where patches are copied."""
    import numpy as np

    from styleinv import patches

    inside = np.zeros(image.shape[:2], bool)
    for y, x in np.argwhere(patches.copies(found, measure)) * found.stride:
        inside[y : y + size, x : x + size] = True
    pale = 0.75 + 0.2 * image.mean(2, keepdims=True)
    return np.where(inside[..., None], image, pale).astype(np.float32)


def _between(opened: Session, learned: Sequence["np.ndarray"]) -> dict[str, float] | None:
    """{statistic: mean distance between the style images of two seeds}; None for a single one."""
    from itertools import combinations

    from styleinv import compare

    styles = [style_of(opened, image) for image in learned]
    layers = style_layers(opened.config)
    pairs = [compare.totals(compare.distances(a, b, layers)) for a, b in combinations(styles, 2)]
    return {k: sum(p[k] for p in pairs) / len(pairs) for k in pairs[0]} if pairs else None
