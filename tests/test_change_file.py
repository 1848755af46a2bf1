"""change.safetensors: there and back, and files that are something else."""

from functools import reduce

import numpy as np
import pytest

from styleinv import change, change_file, style_file
from styleinv.errors import InputError
from styleinv.style import Moments, Spread, Style

ORIGIN = style_file.Origin("vgg19", "abc", "max", "zero", "all", ({"name": "a", "weight": 1.0},))


def learned(resolution=64):
    random = np.random.default_rng(0)

    def style():
        features = random.normal(size=(30, 64)) + 1
        moments = Moments(1.0, features.mean(0), features.T @ features / 30, Spread(*np.zeros(3)))
        return Style(resolution, {"relu1_1": moments, "relu1_2": moments})

    return reduce(change.merge, [change.learn(style(), style(), w) for w in (1.0, 2.0, 1.0)])


def test_load_gives_back_what_was_saved(tmp_path):
    desired = {resolution: learned(resolution) for resolution in (64, 128)}
    change_file.save(tmp_path / "c.safetensors", desired, ORIGIN)
    actual, origin = change_file.load(tmp_path / "c.safetensors")
    assert origin == ORIGIN
    assert list(actual) == [64, 128]
    for resolution, one in actual.items():
        wanted = desired[resolution]
        assert (one.resolution, one.weight, one.squares) == (resolution, 4.0, 6.0)
        for layer, parts in one.layers.items():
            for joint, other in zip(parts, wanted.layers[layer], strict=True):
                np.testing.assert_allclose(joint.original, other.original, rtol=1e-6)
                np.testing.assert_allclose(joint.filtered, other.filtered, rtol=1e-6)
                assert joint[2:] == other[2:]


def test_equal_changes_are_equal_files(tmp_path):
    for name in "ab":
        change_file.save(tmp_path / name, {64: learned()}, ORIGIN)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:100], "is not a change file"),
        (lambda content: b"a picture", "is not a change file"),
        (lambda content: content.replace(b"change 1", b"change 9"), "no styleinv change 1"),
        (lambda content: content.replace(b"[4.0, 6.0]", b"[0.0, 6.0]"), "not positive"),
        (lambda content: content[:-8] + b"\xff" * 8, "not finite"),
    ],
)
def test_load_refuses_what_is_no_change_file(tmp_path, damage, reason):
    path = tmp_path / "c.safetensors"
    change_file.save(path, {64: learned()}, ORIGIN)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=reason):
        change_file.load(path)


def test_load_refuses_another_number_of_channels(tmp_path):
    def style():
        moments = Moments(1.0, np.ones(5), np.eye(5), Spread(*np.zeros(3)))
        return Style(64, {"relu1_1": moments})

    few = change.learn(style(), style(), 1.0)
    change_file.save(tmp_path / "c.safetensors", {64: few}, ORIGIN)
    with pytest.raises(InputError, match="wrong shapes at 64/relu1_1/gain"):
        change_file.load(tmp_path / "c.safetensors")


def test_load_refuses_a_style_file(tmp_path):
    moments = Moments(1.0, np.ones(2), np.eye(2), Spread(*np.zeros(3)))
    style_file.save(tmp_path / "s.safetensors", {64: Style(64, {"relu1_1": moments})}, ORIGIN)
    with pytest.raises(InputError, match="no styleinv change 1"):
        change_file.load(tmp_path / "s.safetensors")
