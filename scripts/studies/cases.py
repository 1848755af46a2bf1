"""What is optimized: the objective of a config, at every resolution that a stage may have."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.contents import Content
from experiments.problem import Problem, objective, start_image, style_part
from experiments.transfer import problem_of
from experiments.validate import style_layers
from scripts.benchmarks import ours
from scripts.studies import variants
from scripts.studies.variants import Variant
from styleinv import dataset, photo
from styleinv.config import Config
from styleinv.errors import InputError
from styleinv.masks import ALL
from styleinv.minimize import Snapshot
from styleinv.objective import Objective, StyleTerm
from styleinv.style import Style
from styleinv.survey import survey
from styleinv.synthesize import Stage
from styleinv.vgg import PIXELS, VGG

# Pixels of a coarse stage, for a square and for any shape: at less, deep layers have no position.
_SQUARE, _ANY_SHAPE = 16, 32


class Case(NamedTuple):
    """A picture to make.

    Attributes:
        facts: what is run, for the file.
        smallest: resolution of a stage; coarser ones are left out.
        problem_at: layer weights, or "" for the config's -> resolution -> (network, objective).
        start: resolution -> f32[h, w, 3].
        keep_details: see `synthesize`.
    """

    facts: Mapping[str, Any]
    resolution: int
    smallest: int
    problem_at: Callable[[str], Callable[[int], tuple[VGG, Objective]]]
    start: Callable[[int], np.ndarray]
    keep_details: bool

    def stages(self, coarse: Sequence[int], fine: int) -> list[Stage]:
        """With so many steps, coarse to fine."""
        sizes = [self.resolution // 2 ** (len(coarse) - i) for i in range(len(coarse))]
        stages = [Stage(size, steps) for size, steps in zip(sizes, coarse, strict=True)]
        kept = [stage for stage in stages if stage.resolution >= self.smallest]
        return [*kept, Stage(self.resolution, fine)]

    def loss(self, variant: Variant, snapshot: Snapshot) -> float:
        """By the config's objective at the finest resolution, whatever the variant optimizes."""
        if not variant.weights:
            return snapshot.loss
        asked, own = (self._style(name).weights for name in ("", variant.weights))
        values = snapshot.values
        return sum(values[f"style/{k}"] * float(asked[k]) / float(own[k]) for k in asked)

    def _style(self, weights: str) -> StyleTerm:
        term = self.problem_at(weights)(self.resolution)[1].terms["style"]
        assert isinstance(term, StyleTerm)
        return term


def learn(resolution: int, references: int) -> Case:
    """The style of so many demo pictures, by the config `anime` without total variation.

    The loss is sum_l w_l |G_l - mean G_l|^2, the squared distances of the Gram matrices to the
    pictures' mean: what the sum over the pictures has over their dispersion, which no image is
    without. So 0 would be a perfect style image, and about 1 is a blank one.
    """
    config, rows = variants.of("learn")
    config = _at(dataclasses.replace(config, tv=0.0), resolution, _SQUARE, rows)
    network = ours.load_network()
    paths = ours.demo(references)
    styles = {ALL: _measured(config, network, paths)}

    def start(size):
        return start_image(config, styles, size, (size, size), config.seeds[0])

    def parts(weights):
        style = dataclasses.replace(config.style, layer_weights=weights)
        own = dataclasses.replace(config, style=style)
        return {
            size: objective(own, style_part(own, network, styles, {}, start, size))
            for size in styles[ALL]
        }

    presets = {row.weights: parts(row.weights or config.style.layer_weights) for row in rows}
    facts = {
        "what": "learn",
        "resolution": resolution,
        "references": references,
        "layers": style_layers(config),
        "loss": f"style, {config.style.layer_weights}, in excess of the dispersion",
    }
    at = _lookup(network, presets)
    return Case(facts, resolution, _SQUARE, at, start, config.start.image != "noise")


def transfer(resolution: int, content: Path, style: Path) -> Case:
    """A photograph in a picture's style; the loss is all of the config `transfer`'s objective."""
    for path in (content, style):
        if not path.is_file():
            raise InputError(f"{path} is not a file; give a picture")
    config, rows = variants.of("transfer")
    config, network = _at(config, resolution, _ANY_SHAPE, rows), ours.load_network()
    (item,) = items = dataset.find(content)
    (checked,) = dataset.check(items)
    held = Content(item, checked, content.stem, content.stem, (ALL,), config.alpha[0])
    styles = {ALL: _measured(config, network, [style])}
    problem: Problem = problem_of(config, network, held, photo.read(content), {}, styles)
    presets = {"": {size: problem.at(size)[1] for size in styles[ALL]}}
    facts = {
        "what": "transfer",
        "resolution": resolution,
        "content": content.name,
        "style": style.name,
        "layers": style_layers(config),
        "loss": f"content * {config.alpha[0]:g} + style, {config.style.layer_weights}"
        f" + total variation * {config.tv:g}",
    }
    at = _lookup(network, presets)
    return Case(facts, resolution, _ANY_SHAPE, at, problem.start, config.start.image != "noise")


def _lookup(network: VGG, presets: Mapping[str, Mapping[int, Objective]]):
    return lambda weights: lambda size: (network, presets[weights][size])


def _at(config: Config, resolution: int, smallest: int, rows: Sequence[Variant]) -> Config:
    """The config with a stage at each resolution that some variant has."""
    most = max(len(row.coarse) for row in rows)
    count = sum(resolution >> i >= smallest for i in range(1, most + 1))
    return dataclasses.replace(config, resolution=resolution, steps=(1,) * (count + 1))


def _measured(config: Config, network: VGG, paths: Sequence[Path]) -> dict[int, Style]:
    """{resolution: style} of the pictures, for each stage."""
    items = dataset.shares([item for path in paths for item in dataset.find(path)])
    sizes = [config.resolution >> i for i in reversed(range(len(config.steps)))]
    found = survey(network, items, (PIXELS, *style_layers(config)), sizes)
    assert found is not None  # nothing stops it
    return found[ALL]
