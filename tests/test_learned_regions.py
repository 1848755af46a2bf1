"""Regions in learn_style: an image for each, or all in one image, each in its own place."""

import csv
import json
import re

import numpy as np
import pytest
import safetensors
from PIL import Image, ImageOps
from safetensors.numpy import load_file

from experiments import cli, learn_style, targets
from styleinv import images
from styleinv.images import resize

SMALL = (
    "--config=anime_masked",
    "--config.network.weights=random",
    "--config.network.convolution=direct",
    "--config.style.layers=relu1_1,relu2_1,relu3_1",
    "--config.resolution=32",
    "--config.steps=2,2",
)
REAL = (
    "--config=anime_masked",
    "--config.style.layers=relu1_1,relu2_1,relu3_1",
    "--config.resolution=64",
    "--config.steps=30,10",
    "--config.dataset.size=3",
)


@pytest.fixture
def run(learn, tmp_path):
    """A function: words -> folder of a finished run."""

    def finish(*words, name="run"):
        assert learn([*words, f"--workdir={tmp_path / name}"]) == 0
        return tmp_path / name

    return finish


@pytest.fixture
def masked(pictures):
    """Soft masks of three regions in a.png .. d.png, which fade into each other."""
    x = np.linspace(0, 1, 64)[None].repeat(48, 0)
    shares = {"left": np.clip(1 - 2 * x, 0, 1), "right": np.clip(2 * x - 1, 0, 1)}
    for name, share in shares.items():
        Image.fromarray(np.uint8(255 * share)).save(pictures / f"{name}.png")
    with (pictures / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file_name", "mask_left", "mask_right"))
        rows.writerows((f"{name}.png", "left.png", "right.png") for name in "abcd")
    return pictures


def results(folder):
    return json.loads((folder / "results.json").read_text())


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def header(path):
    """What a style file says of itself."""
    with safetensors.safe_open(path, "numpy") as file:
        (text,) = file.metadata().values()
        return json.loads(text)


def test_full_gives_an_image_for_each_of_three_soft_regions(run, masked):
    words = (f"--config.dataset={masked}", "--config.dataset.region=left,right,rest")
    folder = run(*SMALL, *words, "--config.seeds=0,1")
    for region in ("left", "right", "rest"):
        assert images.read(folder / f"style_{region}.png").shape == (32, 32, 3)
        assert header(folder / f"style_{region}.safetensors")["region"] == region
        own = [line for line in metrics(folder) if line["region"] == region]
        assert [line["seed"] for line in own] == [0] * 4 + [1] * 4
    found = results(folder)
    assert [each["name"] for each in found["pictures"]] == ["left", "right", "rest"]
    totals = [each["regions"][each["name"]]["total"]["learned"] for each in found["pictures"]]
    assert found["total"]["learned"] == pytest.approx(np.mean(totals))
    assert found["loss"] == pytest.approx(np.mean([each["loss"] for each in found["pictures"]]))


def test_the_best_seed_of_all_regions_is_that_of_each_or_none(run, masked, monkeypatch):
    bests = iter((1, 0, 1, 1))

    def conclude_one(*arguments):
        return learned(*arguments) | {"best_seed": next(bests)}

    learned = learn_style.conclude_one
    monkeypatch.setattr(learn_style, "conclude_one", conclude_one)
    words = (*SMALL, f"--config.dataset={masked}", "--config.dataset.region=left,rest")
    words = (*words, "--config.steps=1", "--config.seeds=0,1")
    assert results(run(*words, name="apart"))["best_seed"] is None
    assert results(run(*words, name="alike"))["best_seed"] == 1


def test_regions_are_measured_as_each_would_be_alone_and_the_rest_as_what_is_left(run, masked):
    words = (*SMALL, f"--config.dataset={masked}", "--config.steps=2")
    folders = {
        regions: run(*words, f"--config.dataset.region={regions}", name=regions)
        for regions in ("left", "left,rest", "left,right,rest")
    }
    alone, together, two, three = (
        load_file(folders[regions] / name)
        for regions, name in (
            ("left", "style.safetensors"),
            ("left,rest", "style_left.safetensors"),
            ("left,rest", "style_rest.safetensors"),
            ("left,right,rest", "style_rest.safetensors"),
        )
    )
    for name, desired in alone.items():
        np.testing.assert_allclose(together[name], desired, rtol=1e-5)
    assert np.abs(two["32/pixels/mean"] - three["32/pixels/mean"]).max() > 1e-3


def test_pictures_without_a_label_are_of_every_region_without_its_own(masked):
    words = (*SMALL, f"--config.dataset=left={masked}/a.png,{masked}")
    regions = {name: name for name in ("left", "right", "rest")}
    sources = targets.choose_sources(cli.parse("learn_style", words).config, regions)
    actual = {name: "".join(item.name[0] for item in own.items) for name, own in sources.items()}
    assert actual == {"left": "a", "right": "abcd", "rest": "abcd"}


def test_real_images_of_sky_and_rest_are_told_apart(run):
    found = results(run(*REAL, "--config.steps=40"))
    for each in found["pictures"]:
        total = each["regions"][each["name"]]["total"]
        assert total["learned"] < 0.5 * total["typical"]
        assert total["learned"] < 0.1 * total["noise"]


@pytest.mark.parametrize("mode", ["layout", "in_place"])
def test_real_regions_stay_in_their_places(run, mode, tmp_path):
    """A sky and a ground: above the border it is blue, below it is not."""
    mask = np.zeros((60, 80), np.uint8)
    mask[:30] = 255
    Image.fromarray(mask).save(tmp_path / "sky.png")
    for name, path in (("picture", "data/anime/02.jpg"), ("mask", "data/anime/masks/02.png")):
        ImageOps.fit(Image.open(path), (512, 384)).save(tmp_path / f"{name}.png")
    words = {
        "layout": [f"--config.style.layout=sky={tmp_path}/sky.png"],
        "in_place": [
            f"--config.dataset.path={tmp_path}/picture.png",
            "--config.dataset.size=0",
            f"--config.dataset.masks=sky={tmp_path}/mask.png",
        ],
    }[mode]
    folder = run(*REAL, f"--config.style.mode={mode}", *words)
    image = images.read(folder / "style.png")
    (picture,) = results(folder)["pictures"]
    assert set(picture["regions"]) == {"sky", "rest"}
    for table in picture["regions"].values():
        assert table["total"]["learned"] < 0.2 * table["total"]["noise"]
    assert image.shape == (56, 72, 3)
    sky = images.read(tmp_path / ("sky.png" if mode == "layout" else "mask.png"))
    inside = resize(sky, *image.shape[:2])[..., 0] > 0.9
    blueness = image[..., 2] - image[..., 1]
    assert blueness[inside].mean() > blueness[~inside].mean() + 0.1


def test_inside_leaves_out_layers_that_see_too_much(run, masked):
    words = (*SMALL, f"--config.dataset={masked}", "--config.dataset.region=left,rest")
    Image.fromarray(np.uint8(255 * (np.arange(64) < 24))[None].repeat(48, 0)).save(
        masked / "left.png"
    )
    folder = run(*words, "--config.style.propagation=inside")
    head = header(folder / "style_left.safetensors")
    assert head["propagation"] == "inside"
    assert head["unknown"] == ["16/relu3_1"]
    layers = [{k for k in line["values"] if "/" in k} for line in metrics(folder)]
    assert layers[0] == {"style/relu1_1", "style/relu2_1"}
    assert layers[2] == {"style/relu1_1", "style/relu2_1", "style/relu3_1"}
    again = run(
        *SMALL,
        f"--config.dataset=left={folder}/style_left.safetensors,rest={folder}/style_rest.safetensors",
        "--config.dataset.region=left,rest",
        "--config.style.propagation=inside",
        name="again",
    )
    assert results(again) == results(folder)


WRONG = {
    "no such region": (
        ["--config.dataset.region=left,sky"],
        r"4 of 4 images cannot be used: .*a\.png has no mask_sky \(but left\); add a column",
    ),
    "a region twice": (
        ["--config.dataset.region=left,left"],
        r"config\.dataset\.region names a name twice",
    ),
    "all and another": (["--config.dataset.region=all,left"], r"region is all, or regions by name"),
    "a style file for both": (
        ["--config.dataset={0}/x.safetensors", "--config.dataset.region=left,rest"],
        r"there is no style for the region left; add a column mask_left",
    ),
    "a style file for all but the rest": (
        ["--config.dataset=left={0}/x.safetensors", "--config.dataset.region=left,rest"],
        r"there is no style for the region rest; write --config\.dataset=rest=FILE",
    ),
    "in place of four": (
        ["--config.style.mode=in_place"],
        r"in_place\) is for one picture with masks, and there are 4 pictures; choose .*full",
    ),
    "a layout without masks": (
        ["--config.style.mode=layout"],
        r"config\.style\.mode \(=layout\) and config\.style\.layout \(=none\) belong together",
    ),
    "masks without a layout": (
        ["--config.style.layout=left={0}/left.png"],
        r"config\.style\.mode \(=full\) and config\.style\.layout .* belong together",
    ),
    "a layout of another region": (
        [
            "--config.style.mode=layout",
            "--config.style.layout=sky={0}/left.png",
            "--config.dataset.region=left,rest",
        ],
        r"the layout has no mask_left \(but sky\)",
    ),
    "a layout that is no picture": (
        ["--config.style.mode=layout", "--config.style.layout=left={0}/metadata.csv"],
        r"metadata\.csv is not a readable image",
    ),
    "an unknown mode": (
        ["--config.style.mode=fill"],
        r"config\.style\.mode \(=fill\) is not known; did you mean full",
    ),
    "an unknown propagation": (
        ["--config.style.propagation=hard"],
        r"config\.style\.propagation \(=hard\) is not known; options are soft, inside, any",
    ),
    "a region that vanishes": (
        ["--config.dataset.region=dot,rest"],
        r"the mask of d\.png vanishes at relu1_1: .* less than one is in the region; \d",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_regions_end_in_one_line(learn, masked, tmp_path, capsys, case):
    dot = np.zeros((48, 64), np.uint8)
    dot[:3, :3] = 255
    Image.fromarray(dot).save(masked / "dot.png")
    text = (masked / "metadata.csv").read_text().splitlines()
    if case == "a region that vanishes":
        cells = ["mask_dot", *4 * ["dot.png"]]
        text = [f"{line},{cell}" for line, cell in zip(text, cells, strict=True)]
        (masked / "metadata.csv").write_text("\n".join(text))
    words, match = WRONG[case]
    line = [*SMALL, f"--config.dataset={masked}", *(word.format(masked) for word in words)]
    before = {path: path.read_bytes() for path in masked.rglob("*")}
    assert learn([*line, f"--workdir={tmp_path / 'run'}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len([one for one in err.splitlines() if one.startswith("error: ")]) == 1
    assert re.search(match, err), err
    assert not (tmp_path / "run").exists()
    assert {path: path.read_bytes() for path in masked.rglob("*")} == before
