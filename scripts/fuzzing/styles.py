"""style.safetensors."""

import tempfile
from pathlib import Path

import numpy as np

from fuzzing.target import Target
from fuzzing.tensors import odd_files

LAYERS = {"pixels": 3, "relu1_1": 64}
NARROW = {"pixels": 3, "relu1_1": 5}  # has too few channels, each part alike


def target() -> Target:
    """Files of two layers at two resolutions, one layer of them unknown at one."""
    files = odd_files([_valid(LAYERS), _valid(NARROW)])
    return Target(files.map(lambda content: {"style.safetensors": content}), use)


def use(folder: Path) -> None:
    """What a run does with a style file before it goes to work."""
    from styleinv import style_file

    path = folder / "style.safetensors"
    styles, origin = style_file.load(path)
    wanted = style_file.Origin("vgg19", "f00d", "average", "replicate", "all")
    chosen = style_file.select(
        styles, origin, path, wanted=wanted, layers=["relu1_1"], resolutions=[32]
    )
    moments = chosen[32].moments["relu1_1"]
    assert np.shape(moments.mean) == (64,)
    assert np.shape(moments.second) == (64, 64)
    assert np.isfinite(moments.second).all()
    for image in origin.images:
        assert all(isinstance(value, str | int | float) for value in image.values())


def _valid(layers: dict[str, int]) -> bytes:
    from styleinv import style_file
    from styleinv.style import Moments, Spread, Style, unknown

    generator, styles = np.random.default_rng(0), {}
    for resolution in (32, 64):
        moments = {}
        for layer, channels in layers.items():
            features = generator.normal(size=(90, channels)).astype(np.float32)
            second = features.T @ features / 90
            spread = Spread(*np.ones(3))
            moments[layer] = Moments(1.0, features.mean(0), second, spread)
        styles[resolution] = Style(resolution, moments)
    styles[64].moments["relu1_1"] = unknown(64)
    images = ({"name": "a.png", "sha256": "00", "weight": 1.0},)
    origin = style_file.Origin("vgg19", "f00d", "average", "replicate", "all", images)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "style.safetensors"
        style_file.save(path, styles, origin)
        return path.read_bytes()
