"""Restyling photographs, as the command line does it."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from styleinv import images, minimize, photo, style_file
from styleinv.record import Record

SMALL = (
    "--config=transfer",
    "--config.network.weights=random",
    "--config.network.convolution=direct",
    "--config.style.layers=relu1_1,relu2_1",
    "--config.content.layers=relu2_1",
    "--config.optimizer.parameters=pixels",  # quicker to compile
    "--config.resolution=32",
    "--config.steps=3",
)
WAVES = (*SMALL, "--config.optimizer.parameters=waves")  # as the recipe has it
REAL = (
    *WAVES,
    "--config.network.weights=default",
    "--config.network.convolution=auto",
    "--config.steps=12,12",
)


@pytest.fixture
def run(tmp_path, pictures, restyle):
    """A function: words -> the folder of a finished run; {tmp} and {pictures} are filled in."""

    def finish(*words, name="run", base=SMALL):
        line = [word.format(tmp=tmp_path, pictures=pictures) for word in (*base, *words)]
        assert restyle([*line, f"--workdir={tmp_path / name}"]) == 0
        return tmp_path / name

    return finish


ONE = ("--config.content={pictures}/a.png", "--config.style={pictures}/b.png")


def results(folder):
    return json.loads((folder / "results.json").read_text())


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_transfer_leaves_the_files_it_promises(run, capsys):
    folder = run(*ONE)
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == {
        "config.json", "run.json", "metrics.jsonl", "results.json", "results/a.json", "curve.png",
        "report.html", "style.safetensors", "stylized.png", "images/a_step00003.png",
    }  # fmt: skip
    assert images.read(folder / "stylized.png").shape == (28, 37, 3)  # of 48 x 64
    (row,) = results(folder)["pictures"]
    assert row["loss"] == pytest.approx(row["content"] + row["style"] + row["tv"], rel=1e-5)
    assert list(row["regions"]["all"]["layers"]) == ["relu1_1", "relu2_1"]
    total = row["regions"]["all"]["total"]
    assert total["stylized"] < total["photo"]
    assert row["content_distance"]["relu2_1"] > 0
    assert f"stylized: {folder / 'stylized.png'}\n" in capsys.readouterr().out


def test_transfer_with_real_weights_lowers_its_loss_at_every_step(run, pictures):
    for name, path in (("a", "data/photo/china.jpg"), ("b", "data/anime/01.jpg")):
        ImageOps.fit(Image.open(path), (64, 48)).save(pictures / f"{name}.png")
    folder = run(*ONE, base=REAL)
    lines = metrics(folder)
    assert [line["resolution"] for line in lines] == 12 * [16] + 12 * [32]
    for stage in (lines[:12], lines[12:]):
        losses = [line["loss"] for line in stage]
        assert np.all(np.diff(losses) <= 0)
        assert losses[-1] < 0.7 * losses[0]
    total = results(folder)["pictures"][0]["regions"]["all"]["total"]
    assert total["stylized"] < 0.2 * total["photo"]


def test_transfer_takes_a_style_in_any_form(run, learn, tmp_path, pictures):
    words = [w for w in SMALL if "content" not in w and w != "--config=transfer"]
    words += ["--config=anime", f"--config.dataset={pictures}"]
    assert learn([*words, f"--workdir={tmp_path}/learned"]) == 0
    learned = tmp_path / "learned"
    forms = (
        pictures,
        f"{pictures}/b.png,{pictures}/c.png",
        learned / "style.safetensors",
        learned / "style.png",
    )
    for index, style in enumerate(forms):
        folder = run(ONE[0], f"--config.style={style}", name=str(index))
        assert (folder / "stylized.png").is_file()


def test_transfer_does_not_see_the_order_of_the_styles(run):
    orders = (("b", "c", "1,3"), ("c", "b", "3,1"))
    losses = []
    for first, second, weights in orders:
        style = f"--config.style={{pictures}}/{first}.png,{{pictures}}/{second}.png"
        folder = run(ONE[0], style, f"--config.dataset.weights={weights}", name=first)
        losses.append(results(folder)["pictures"][0]["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_transfer_sees_the_style_at_its_scale(run):
    folder = run(*ONE, "--config.style.scale=2")
    header = (folder / "style.safetensors").read_bytes()[:4000].decode(errors="ignore")
    assert '\\"resolutions\\": [64]' in header


@pytest.mark.parametrize("start", ["content", "noise", "{pictures}/d.png"])
def test_transfer_starts_from_content_noise_or_a_picture(run, start, pictures):
    words = (f"--config.start.image={start}", "--config.steps=1", "--config.start.contrast=1")
    first = images.read(run(*ONE, *words) / "images" / "a_step00001.png")
    shape = first.shape[:2]  # the first step only evaluates the start
    desired = {letter: images.read(pictures / f"{letter}.png") for letter in "ad"}
    near = {k: np.abs(images.resize(x, *shape) - first).mean() < 0.02 for k, x in desired.items()}
    assert near == {"a": start == "content", "d": start.endswith("d.png")}


def test_transfer_of_a_folder_restyles_each_and_compiles_once_per_shape(run, pictures):
    for name in "bcd":
        (pictures / f"{name}.png").unlink()
    (pictures / "e").mkdir()
    shapes = [(48, 64), (48, 64), (53, 19), (48, 64)]
    for i, shape in enumerate(shapes):
        pixels = np.random.default_rng(i).integers(0, 256, (*shape, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / "e" / f"{i}.png")
    style = "--config.style={pictures}/a.png"
    run("--config.content={pictures}/a.png", style, name="first")
    before = minimize._step._cache_size()
    folder = run("--config.content={pictures}/e", style)
    assert minimize._step._cache_size() == before + 1  # the odd one alone is new
    outputs = sorted((folder / "stylized").iterdir())
    assert [path.name for path in outputs] == ["0.png", "1.png", "2.png", "3.png"]
    assert [row["name"] for row in results(folder)["pictures"]] == ["0", "1", "2", "3"]
    made = [images.read(path).shape[:2] for path in outputs]
    assert made == [(28, 37), (28, 37), (53, 19), (28, 37)]  # each in its own aspect


def test_transfer_keeps_names_apart(run, tmp_path, pictures):
    (tmp_path / "photos").mkdir()
    for name in ("x.png", "x.webp", "x y.png"):
        Image.open(pictures / "a.png").save(tmp_path / "photos" / name)
    folder = run("--config.content={tmp}/photos", ONE[1])
    outputs = sorted(path.name for path in (folder / "stylized").iterdir())
    assert outputs == ["x-2.png", "x.png", "x_y.png"]


def test_transfer_keeps_names_apart_that_are_too_long_for_what_is_added(run, tmp_path, pictures):
    (tmp_path / "photos").mkdir()
    for end in "xy":
        name = 149 * "a" + 48 * "é" + f"{end}.png"  # 250 bytes; cut within a letter
        shutil.copy(pictures / "a.png", tmp_path / "photos" / name)
    folder = run("--config.content={tmp}/photos", ONE[1], "--config.steps=1")
    outputs = sorted(path.name for path in (folder / "stylized").iterdir())
    assert outputs == [149 * "a" + "-2.png", 149 * "a" + ".png"]


@pytest.mark.parametrize(
    ("network", "pooling", "padding"),
    [
        ("vgg16", "average", "replicate"),
        ("vgg16", "max", "zeros"),
        ("vgg19", "max", "replicate"),  # and with average and zeros: tests/test_config.py
    ],
)
def test_transfer_runs_on_each_network(run, network, pooling, padding):
    words = (f"--config.network.name={network}", f"--config.network.pooling={pooling}")
    folder = run(*ONE, *words, f"--config.network.padding={padding}", "--config.steps=2")
    losses = [line["loss"] for line in metrics(folder)]
    assert losses[1] < losses[0]


def test_transfer_that_computes_features_again_goes_the_same_way(run):
    kept = run(*ONE, name="kept")
    again = run(*ONE, "--config.network.rematerialize=true", name="again")
    losses = [[line["loss"] for line in metrics(folder)] for folder in (kept, again)]
    np.testing.assert_allclose(*losses, rtol=1e-3)


@pytest.fixture
def halves(tmp_path):
    """left.png, white in the left half, and map.png, red there and blue elsewhere; 64 x 48."""
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    colors = np.zeros((48, 64, 3), np.uint8)
    colors[:, :32, 0], colors[:, 32:, 2] = 255, 255
    Image.fromarray(colors).save(tmp_path / "map.png")
    return tmp_path


def test_transfer_gives_each_region_its_style(run, halves):
    words = ("--config.steps=30", "--config.alpha=0", "--config.tv=0")
    style = "--config.style=left={pictures}/b.png,rest={pictures}/c.png"
    folder = run(ONE[0], "--config.content.masks=left={tmp}/left.png", style, *words)
    (row,) = results(folder)["pictures"]
    assert set(row["regions"]) == {"left", "rest"}
    for region in row["regions"].values():
        assert region["total"]["stylized"] < 0.2 * region["total"]["photo"]
    np.testing.assert_allclose(row["style@left"] + row["style@rest"], row["style"], rtol=1e-4)
    assert {path.name for path in folder.glob("*.safetensors")} == {
        "style_left.safetensors",
        "style_rest.safetensors",
    }


def test_transfer_takes_masks_and_styles_from_colored_maps(run, halves):
    words = (*ONE, "--config.dataset.masks={tmp}/map.png")
    words += ("--config.style.layers=relu1_1", "--config.content.layers=relu1_1")
    one = run(*words, "--config.content.masks={tmp}/map.png", name="map")
    named = "--config.content.masks=ff0000={tmp}/left.png,0000ff={tmp}/map.png#0000ff"
    other = run(*words, named, name="files")
    a, b = (results(folder)["pictures"][0] for folder in (one, other))
    assert a["loss"] == b["loss"]
    assert set(a["regions"]) == {"ff0000", "0000ff"}


def test_transfer_leaves_a_region_without_style_as_it_is(run, halves, pictures):
    words = ("--config.content.masks=left={tmp}/left.png", "--config.style=left={pictures}/b.png")
    folder = run(ONE[0], *words, "--config.steps=20", base=WAVES)
    stylized = images.read(folder / "stylized.png")
    start = images.resize(images.read(pictures / "a.png"), *stylized.shape[:2])
    change = np.abs(stylized - start)
    assert change[:, :12].mean() > 0.05
    assert change[:, 23:].max() < 1 / 255  # away from the seam, rounding only


def test_transfer_leaves_a_gap_as_it_is_that_is_too_small_for_a_style(run, tmp_path, pictures):
    mask = np.full((48, 64), 255, np.uint8)
    mask[:2, :2] = 0
    Image.fromarray(mask).save(tmp_path / "most.png")
    words = ("--config.content.masks=most={tmp}/most.png", "--config.style=most={pictures}/b.png")
    folder = run(ONE[0], *words, "--config.style.layers=relu1_1,relu3_1")
    assert set(results(folder)["pictures"][0]["regions"]) == {"most"}
    stylized = images.read(folder / "stylized.png")
    start = images.resize(images.read(pictures / "a.png"), *stylized.shape[:2])
    assert np.abs(stylized - start)[0, 0].max() < 0.02


def test_transfer_keeps_the_colors_of_the_photo(run, pictures):
    y, x = np.mgrid[:48, :64]
    red = np.stack([0.6 + 0.2 * np.sin(x / 4), 0.1 * np.ones((48, 64)), 0.1 + y / 480], axis=2)
    Image.fromarray(images.to_bytes(red)).save(pictures / "a.png")
    words = (*ONE, "--config.steps=12", "--config.alpha=0", "--config.start.image=noise")

    def distance(image):  # of the mean color difference, which is what the eye calls the color
        chroma = image.mean((0, 1)) - image.mean()
        wanted = red.mean((0, 1)) - red.mean()
        return np.linalg.norm(chroma - wanted)

    plain = images.read(run(*words, name="plain") / "stylized.png")
    for kind in ("luminance", "match"):
        folder = run(*words, f"--config.content.original_colors={kind}", name=kind)
        assert distance(images.read(folder / "stylized.png")) < 0.5 * distance(plain)


@pytest.mark.parametrize("masked", [True, False], ids=["of one picture", "of one each"])
@pytest.mark.parametrize("kind", ["luminance", "match"])
def test_transfer_keeps_the_colors_of_each_region(run, halves, pictures, kind, masked):
    """Of a photo that is dark red on the left and light blue on the right."""
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, (48, 64, 3))
    left = np.array([0.4, 0.15, 0.15]), np.array([0.6, 0.7, 0.9])
    image = np.where(np.arange(64)[:, None] < 32, *left) + noise
    Image.fromarray(images.to_bytes(image)).save(pictures / "a.png")
    style = "{pictures}/b.png" if masked else "left={pictures}/b.png,rest={pictures}/c.png"
    words = ["--config.content.masks=left={tmp}/left.png", f"--config.style={style}"]
    if masked:
        words.append("--config.dataset.masks=left={tmp}/left.png")
    words += [f"--config.content.original_colors={kind}", "--config.steps=1"]
    folder = run(ONE[0], *words)
    for name, color in zip(("left", "rest"), left, strict=True):
        styles, _ = style_file.load(folder / f"styles/a/{name}.safetensors")
        desired = color if kind == "match" else np.repeat(color @ [0.299, 0.587, 0.114], 3)
        actual = styles[32].moments["pixels"].mean
        np.testing.assert_allclose(actual, desired, atol=0.04)


def test_transfer_measures_a_style_in_a_photos_colors_once_for_every_alpha(run):
    folder = run(*ONE, "--config.content.original_colors=luminance", "--config.alpha=1,0.1")
    assert sorted(path.name for path in (folder / "stylized").iterdir()) == [
        "a_alpha0.1.png",
        "a_alpha1.png",
    ]
    assert [row["alpha"] for row in results(folder)["pictures"]] == [1, 0.1]
    page = (folder / "report.html").read_text("utf-8")
    assert "2 pictures of a.png" in page
    assert "a.png at alpha 0.1, stylized" in page
    assert list((folder / "styles").rglob("*.*")) == [folder / "styles" / "a" / "all.safetensors"]


def test_transfer_keeps_alphas_apart_of_which_six_digits_are_equal(run):
    words = (*ONE, "--config.alpha=1,0.12345671,0.12345672", "--config.steps=1")
    folder = run(*words)
    assert sorted(path.name for path in (folder / "stylized").iterdir()) == [
        "a_alpha0.12345671.png",
        "a_alpha0.12345672.png",
        "a_alpha1.png",
    ]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert {path: path.stat().st_mtime_ns for path in run(*words).rglob("*")} == before  # finished


def test_transfer_gives_no_photo_the_style_in_the_colors_of_another(run, tmp_path, halves):
    """Whose name and region are spelled together as its own are."""
    photos = tmp_path / "photos"
    photos.mkdir()
    lines = ["file_name,mask_night_sky,mask_sky"]
    for name, letter, masks in (("city", "a", "left.png,"), ("city_night", "c", ",left.png")):
        Image.open(tmp_path / "pictures" / f"{letter}.png").save(photos / f"{name}.png")
        lines.append(f"{name}.png,{masks}")
    Image.open(halves / "left.png").save(photos / "left.png")
    (photos / "metadata.csv").write_text("\n".join(lines))
    style = "--config.style=night_sky={pictures}/b.png,sky={pictures}/b.png"
    words = ("--config.content.original_colors=match", "--config.steps=1")
    folder = run("--config.content={tmp}/photos", style, *words)
    own = sorted(folder.glob("styles/*/*"))
    assert [str(path.relative_to(folder / "styles")) for path in own] == [
        "city/night_sky.safetensors",
        "city_night/sky.safetensors",
    ]
    assert own[0].read_bytes() != own[1].read_bytes()


def test_transfer_keeps_profile_alpha_and_depth(run, pictures):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.open(pictures / "a.png").convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(pictures / "a.png", icc_profile=profile)
    folder = run(*ONE, "--config.content.bits=16")
    made = photo.read(folder / "stylized.png")
    assert made.bits == 16
    assert made.profile == profile
    assert made.alpha is not None
    np.testing.assert_allclose(made.alpha.mean(), 0.5, atol=0.02)


def test_transfer_of_a_folder_goes_on_at_the_first_unfinished_picture(
    restyle, tmp_path, pictures, monkeypatch, capsys
):
    """From a copy of its folder, which holds what a process that is killed there leaves."""
    words = [*WAVES, "--config.steps=8,8", "--config.checkpoint_every=5"]
    words += ["--config.content=" + ",".join(f"{pictures}/{name}.png" for name in "abc")]
    words += [f"--config.style={pictures}/d.png"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    step = Record.step

    def disturbed(self, count, line):
        step(self, count, line)
        if self.folder == whole and count == 22:  # in the second picture, after its checkpoint
            shutil.copytree(whole, killed)
        if self.folder == killed and count == 40:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Record, "step", disturbed)
    assert restyle([*words, f"--workdir={whole}"]) == 0
    first = killed / "stylized" / "a.png"
    before = first.stat().st_mtime_ns
    capsys.readouterr()
    assert restyle([*words, f"--workdir={killed}"]) == 130
    out = capsys.readouterr().out
    assert out.startswith("stopped; to go on: python -m experiments.transfer ")
    monkeypatch.setattr(Record, "step", step)
    assert restyle([*words, f"--workdir={killed}"]) == 0
    assert first.stat().st_mtime_ns == before
    for name in ("a.png", "b.png", "c.png"):
        actual, desired = (folder / "stylized" / name for folder in (killed, whole))
        assert actual.read_bytes() == desired.read_bytes(), name
    assert metrics(killed) == metrics(whole)
    assert results(killed) == results(whole)
