"""change.safetensors."""

import tempfile
from functools import reduce
from itertools import starmap
from pathlib import Path

import numpy as np

from fuzzing.styles import LAYERS, NARROW
from fuzzing.target import Target
from fuzzing.tensors import odd_files


def target() -> Target:
    """Files of two layers at one resolution."""
    files = odd_files([_valid(LAYERS), _valid(NARROW)])
    return Target(files.map(lambda content: {"change.safetensors": content}), use)


def use(folder: Path) -> None:
    """What a run does with a change file, up to the style that it foretells for a photograph."""
    from styleinv import change, change_file, style_file

    path = folder / "change.safetensors"
    changes, origin = change_file.load(path)
    wanted = style_file.Origin("vgg19", "f00d", "average", "replicate", "all")
    style_file.refuse_unlike(
        path,
        origin,
        wanted=wanted,
        there={resolution: tuple(one.layers) for resolution, one in changes.items()},
        layers=tuple(LAYERS),
        resolutions=[32],
    )
    with np.errstate(all="ignore"):  # numbers may be odd, shapes may not
        foretold = change.predict(changes[32], _style(2, LAYERS))
    assert {name: len(found.mean) for name, found in foretold.moments.items()} == LAYERS


def _style(seed: int, layers: dict[str, int]):
    from styleinv.style import Moments, Spread, Style

    generator, moments = np.random.default_rng(seed), {}
    for layer, channels in layers.items():
        features = generator.normal(size=(90, channels)) + 1
        second = features.T @ features / 90
        moments[layer] = Moments(1.0, features.mean(0), second, Spread(*np.zeros(3)))
    return Style(32, moments)


def _valid(layers: dict[str, int]) -> bytes:
    from styleinv import change, change_file, style_file

    images = ({"name": "a.png", "sha256": "00", "weight": 1.0},)
    origin = style_file.Origin("vgg19", "f00d", "average", "replicate", "all", images)
    pairs = ((_style(seed, layers), _style(seed + 1, layers), 1.0) for seed in (0, 2, 4))
    learned = reduce(change.merge, starmap(change.learn, pairs))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "change.safetensors"
        change_file.save(path, {32: learned}, origin)
        return path.read_bytes()
