"""Known style: pictures are given a style S that we know; is S what is learned from them?

The libraries are imported inside, so that `--help` stays quick.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.inputs import refuse_narrow
from experiments.questions.measuring import distances, see, style_of
from experiments.questions.scenes import Picture, digests, find_pictures
from experiments.questions.subrun import Bench, made_by, refuse_commas, refuse_leak
from experiments.session import Session
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from styleinv.style import Style

LOG = logging.getLogger("styleinv")


class Plan(NamedTuple):
    """What is asked of what.

    Attributes:
        style, digest: the file of S, and its sha256.
        contents: {scene: picture}, in the order in which they are learned from.
        counts: how many of them, rising.
    """

    style: Path
    digest: str
    contents: Mapping[str, Picture]
    counts: Sequence[int]


def missing(config: Config) -> str:
    """What the question cannot be asked without."""
    if not config.verify.style:
        return "a picture whose style is known (config.verify.style)"
    return "" if config.verify.contents else "pictures to stylize (config.verify.contents)"


def find(config: Config) -> Plan:
    """Raises an InputError for files that cannot be used."""
    import numpy as np

    from styleinv import dataset
    from styleinv.manifest import Item

    style = Path(config.verify.style)
    items = [Item(style.name, style)]
    checked = dataset.check(items)
    refuse_narrow(config, items, checked)
    refuse_commas([style])
    contents = find_pictures(config, config.verify.contents)
    counts = [count for count in config.verify.counts if count <= len(contents)]
    if not counts:
        raise InputError(
            f"config.verify.counts (={','.join(map(str, config.verify.counts))}) are all more than "
            f"the {len(contents)} pictures in {config.verify.contents}; add a smaller one"
        )
    if len(counts) < len(config.verify.counts):
        LOG.info(
            "known_style: %s holds %d pictures; asked for %s",
            config.verify.contents,
            len(contents),
            ", ".join(map(str, counts)),
        )
    scenes = list(contents)
    order = np.random.default_rng(config.verify.seed).permutation(len(scenes))
    drawn = [scenes[i] for i in order[: counts[-1]]]
    return Plan(style, checked[0].digest, {scene: contents[scene] for scene in drawn}, counts)


def ask(opened: Session, bench: Bench, plan: Plan) -> dict[str, Any] | None:
    """The distances from S, and where the pictures are; None if stopped."""
    photos = [picture.path for picture in plan.contents.values()]
    if not bench.restyle("known_style/stylized", photos, [plan.style]):
        return None
    stylized = made_by(bench.folder / "known_style/stylized")
    for count in plan.counts:
        if not bench.learn(f"known_style/learned_{count}", stylized[:count]):
            return None
        refuse_leak(bench.folder / f"known_style/learned_{count}", {plan.digest})
    if not bench.learn("known_style/floor", [plan.style]):
        return None
    return _compared(opened, plan, stylized)


def _compared(opened: Session, plan: Plan, stylized: Sequence[Path]) -> dict[str, Any]:
    from styleinv import compare, images
    from styleinv.style import mix

    folder = opened.run.folder / "known_style"
    known = style_of(opened, see(opened, plan.style))
    seen = [see(opened, path) for path in stylized]
    styles = [style_of(opened, image) for image in seen]
    counts, layers = plan.counts, style_layers(opened.config)

    def of(image):
        return distances(opened, image, known)

    ways: dict[str, list] = {"learned": [], "statistics": [], "pixel_mean": []}
    for count in counts:
        mean = _pixel_mean(seen[:count], opened.config.resolution)
        opened.run.write(f"known_style/pixel_mean_{count}.png", images.encode_png(mean))
        ways["learned"].append(of(images.read(folder / f"learned_{count}/style.png")))
        ways["pixel_mean"].append(of(mean))
        ways["statistics"].append(compare.distances(mix(styles[:count]), known, layers))
    noise = _noise(opened, mix(styles))
    opened.run.write("known_style/noise.png", images.encode_png(noise))
    ways["noise"] = [of(noise)]
    ways["floor"] = [of(images.read(folder / "floor/style.png"))]
    ways["single"] = [compare.distances(style, known, layers) for style in styles]
    names = next(iter(ways["noise"])).keys()
    return {
        "style": plan.style.name,
        "style_sha256": plan.digest,
        "contents": digests(plan.contents, list(plan.contents)),
        "stylized": [str(path.relative_to(opened.run.folder)) for path in stylized],
        "counts": list(counts),
        "totals": {
            name: {way: [compare.totals(one)[name] for one in found] for way, found in ways.items()}
            for name in names
        },
        "layers": {
            name: {
                layer: {
                    way: sum(one[name][layer] for one in found[-_many(way, found) :])
                    / _many(way, found)
                    for way, found in ways.items()
                }
                for layer in layers
            }
            for name in names
        },
    }


def _many(way: str, found: Sequence) -> int:
    """How many of the last are averaged: of single pictures all, else those of the most learned."""
    return len(found) if way == "single" else 1


def _pixel_mean(seen: Sequence["np.ndarray"], resolution: int) -> "np.ndarray":
    import numpy as np

    from styleinv import images

    return np.mean([images.resize(image, resolution, resolution) for image in seen], 0)


def _noise(opened: Session, style: "Style") -> "np.ndarray":
    """White noise in the colors of the pictures, as contrasty as they are."""
    from styleinv.noise import white_noise
    from styleinv.vgg import PIXELS

    side = opened.config.resolution
    pixels = style.moments[PIXELS]
    return white_noise("dataset", 1.0, opened.config.verify.seed, side, side, pixels)
