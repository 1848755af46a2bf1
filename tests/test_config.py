"""Every recipe: valid, documented, and run for one step on two small pictures."""

import dataclasses
import importlib
import json
import re

import numpy as np
import pytest
import safetensors.numpy

from experiments import cli
from experiments.validate import style_layers, validate
from styleinv import images
from styleinv.config import Config

NAMES = cli.config_names()
SMALL = (
    "--config.network.weights=random",
    "--config.network.convolution=direct",
    "--config.resolution=32",
    "--config.steps=1",
    "--config.dataset.path={tmp}/pictures/a.png,{tmp}/pictures/b.png",
)
FEW = ("--config=anime", "--config.style.layers=relu1_1")  # quick to compile
FILES = {
    "config.json",
    "run.json",
    "metrics.jsonl",
    "results.json",
    "style.safetensors",
    "style.png",
    "curve.png",
    "report.html",
    "images/seed0_step00001.png",
}


@pytest.fixture
def run(tmp_path, pictures, learn):
    """A function: words -> the folder of a finished run on two small pictures."""

    def finish(*words, name="run"):
        line = [word.format(tmp=tmp_path) for word in (*SMALL, *words)]
        assert learn([*line, f"--workdir={tmp_path / name}"]) == 0
        return tmp_path / name

    return finish


def read_json(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_get_config_is_valid(name):
    config = cli.config_by_name(name)
    assert isinstance(config, Config)
    validate(config)


@pytest.mark.parametrize("name", NAMES)
def test_get_config_gives_a_new_one_each_time(name):
    first, second = cli.config_by_name(name), cli.config_by_name(name)
    first.dataset.size = 99
    first.steps = ()
    assert second == cli.config_by_name(name) != first


@pytest.mark.parametrize("name", NAMES)
def test_config_opens_with_its_title_and_its_command(name):
    title, blank, *rest = importlib.import_module(f"configs.{name}").__doc__.splitlines()
    assert title.endswith(".")
    assert blank == ""
    command = rf" *python -m experiments\.(learn_style|transfer|verify) --config={name}( .*)?"
    assert [line for line in rest if re.fullmatch(command, line)]


TRANSFER = [name for name in NAMES if cli.config_by_name(name).start.image == "content"]


@pytest.mark.parametrize("name", [*TRANSFER, "gatys2016"])
def test_config_of_a_transfer_runs_for_one_step(restyle, tmp_path, pictures, name):
    words = [word.format(tmp=tmp_path) for word in SMALL]
    words += [f"--config={name}", "--config.content=data/anime/01.jpg"]
    assert restyle([*words, f"--workdir={tmp_path}/run"]) == 0
    rows = read_json(tmp_path / "run" / "results.json")["pictures"]
    assert len(rows) == len(cli.config_by_name(name).alpha)
    assert all((tmp_path / "run" / row["output"]).is_file() for row in rows)
    assert np.isfinite([row["loss"] for row in rows]).all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {*TRANSFER, "verify"}))
def test_config_runs_for_one_step(run, name):
    folder = run(f"--config={name}", "--config.dataset.region=all")
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == FILES

    config = read_json(folder / "config.json")
    assert (config["resolution"], config["steps"]) == (32, [1])
    layers = style_layers(cli.config_by_name(name))

    about = read_json(folder / "run.json")
    assert about["status"] == "finished"
    assert about["config"] == name
    assert f"--config={name}" in about["command"]

    (line,) = (folder / "metrics.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["seed"], row["stage"], row["step"], row["resolution"]) == (0, 0, 1, 32)
    assert np.isfinite([row["loss"], row["seconds"], *row["values"].values()]).all()
    assert {key for key in row["values"] if "/" in key} == {f"style/{layer}" for layer in layers}
    terms = [value for key, value in row["values"].items() if "/" not in key]
    np.testing.assert_allclose(sum(terms), row["loss"], rtol=1e-5)

    results = read_json(folder / "results.json")
    assert list(results["layers"]) == list(layers)
    assert results["loss"] == row["loss"]

    tensors = safetensors.numpy.load_file(folder / "style.safetensors")
    measured = {name.split("/")[1] for name in tensors}
    assert measured == {"pixels", *layers}

    assert images.read(folder / "style.png").shape == (32, 32, 3)
    page = (folder / "report.html").read_text()
    assert "data:image/png;base64," in page


def test_a_run_writes_tensorboard_events(run):
    folder = run(*FEW, "--config.tensorboard=true")
    (events,) = (folder / "tensorboard").iterdir()
    assert b"style/relu1_1" in events.read_bytes()


def test_config_is_plain_data():
    for name, value, kind, _ in cli.fields(Config()):
        assert not dataclasses.is_dataclass(value), name
        assert isinstance(value, (str, int, float, bool, tuple)), name
        assert kind in (str, int, float, bool) or kind.__origin__ is tuple, name
