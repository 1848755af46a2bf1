"""style.debias: targets that follow the content, in whole runs."""

import re
import signal

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from styleinv import evaluate, images, photo
from styleinv.objective import image_targets
from styleinv.vgg import VGG

SMALL = (
    "--config.style.layers=relu1_1,relu2_1,relu3_1",
    "--config.content.layers=relu3_1",
    "--config.resolution=64",
    "--config.steps=20",
)
RANDOM = (
    "--config.network.weights=random",
    "--config.network.convolution=direct",
    "--config.style.layers=relu1_1,relu2_1",
    "--config.content.layers=relu2_1",
    "--config.optimizer.parameters=pixels",
    "--config.resolution=32",
    "--config.steps=2",
)
HELD_OUT = (3, 7)


def filtered(picture):
    """A filter: flat patches, few tones, warm."""
    flat = ImageOps.posterize(picture.filter(ImageFilter.ModeFilter(7)), 3)
    return Image.merge(
        "RGB",
        [
            flat.getchannel(c).point(lambda v, g=g: int(255 * (v / 255) ** g))
            for c, g in zip("RGB", (0.7, 1.0, 1.5), strict=True)
        ],
    )


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder: learn/ with six pairs and a manifest, held/ with two originals, made/ of them."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("learn/originals", "held", "made"):
        (folder / name).mkdir(parents=True)
    lines = ["file_name,original"]
    for number in range(1, 9):
        picture = Image.open(f"data/anime/{number:02d}.jpg").resize((96, 96), Image.Resampling.BOX)
        name = f"{number:02d}.png"
        if number in HELD_OUT:
            picture.save(folder / "held" / name)
            filtered(picture).save(folder / "made" / name)
        else:
            picture.save(folder / "learn" / "originals" / name)
            filtered(picture).save(folder / "learn" / name)
            lines.append(f"{name},originals/{name}")
    (folder / "learn" / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def network(default_weights):
    """The real VGG19 up to the deepest of the layers: compiled functions are those of the runs."""
    w = default_weights
    return VGG(w.kernels, w.biases, w.matrix, w.offset, deepest="relu3_1")


def distance(network, image, truth):
    """Of Grams, relative, the mean over layers."""
    layers = ("relu1_1", "relu2_1", "relu3_1")
    aims = image_targets(network, images.resize(truth, 64, 64), layers, "gram")
    found = evaluate.relative_distances(network, images.resize(image, 64, 64), aims, "gram")
    return sum(found.values()) / len(found)


def test_debiased_transfer_is_nearer_to_what_the_filter_makes(restyle, network, pairs, tmp_path):
    """Of originals that it has not seen: nearer than the plain transfer, and than doing nothing."""
    words = ("--config=transfer", *SMALL, f"--config.content={pairs}/held")
    words += (f"--config.dataset={pairs}/learn",)
    for name in ("false", "true"):
        more = (f"--config.style.debias={name}", f"--workdir={tmp_path / name}")
        assert restyle([*words, *more]) == 0
    found = {"original": [], "false": [], "true": []}
    for number in HELD_OUT:
        name = f"{number:02d}.png"
        truth = images.read(pairs / "made" / name)
        folders = {"original": pairs / "held"}
        folders |= {k: tmp_path / k / "stylized" for k in ("false", "true")}
        for key, folder in folders.items():
            found[key].append(distance(network, images.read(folder / name), truth))
    means = {key: np.mean(values) for key, values in found.items()}
    assert means["true"] < 0.7 * means["false"]
    assert means["true"] < 0.5 * means["original"]


@pytest.mark.parametrize("debias", [True, False])
def test_originals_that_nobody_uses_are_told_of(restyle, pairs, tmp_path, caplog, debias):
    words = ["--config=transfer", *RANDOM, f"--config.content={pairs}/held/03.png"]
    words += [f"--config.dataset={pairs}/learn/01.png", f"--config.style.debias={debias}"]
    words += [f"--config.dataset.originals={pairs}/learn/originals"]
    assert restyle([*words, "--config.steps=1", f"--workdir={tmp_path / 'run'}"]) == 0
    told = "config.dataset.originals are for config.style.debias; without it none is used"
    assert caplog.messages.count(told) == (not debias)


def test_a_change_file_takes_the_place_of_the_pairs(restyle, pairs, tmp_path):
    words = ["--config=transfer", *RANDOM, "--config.style.debias=true"]
    words += [f"--config.content={pairs}/held"]
    one, other = tmp_path / "one", tmp_path / "other"
    assert restyle([*words, f"--config.dataset={pairs}/learn", f"--workdir={one}"]) == 0
    again = [*words, f"--config.dataset={one}/change.safetensors", f"--workdir={other}"]
    assert restyle(again) == 0
    assert {str(path.relative_to(one)) for path in one.glob("styles/*/*")} == {
        "styles/03/all.safetensors",
        "styles/07/all.safetensors",
    }
    for name in ("change.safetensors", "stylized/03.png", "stylized/07.png"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_learn_style_aims_at_what_is_expected_of_the_photos(learn, pairs, tmp_path):
    words = ["--config=anime", *RANDOM, f"--config.dataset={pairs}/learn"]
    debias = ["--config.style.debias=true", f"--config.content={pairs}/held"]
    assert learn([*words, *debias, f"--workdir={tmp_path / 'debiased'}"]) == 0
    assert learn([*words, f"--workdir={tmp_path / 'plain'}"]) == 0
    files = [(tmp_path / k / "style.safetensors").read_bytes() for k in ("debiased", "plain")]
    assert files[0] != files[1]
    again = ["--config.dataset={}".format(tmp_path / "debiased" / "style.safetensors")]
    assert learn([*words, *again, f"--workdir={tmp_path / 'again'}"]) == 0
    images_of = [(tmp_path / k / "style.png").read_bytes() for k in ("debiased", "again")]
    assert images_of[0] == images_of[1]


def test_learn_style_is_stopped_between_the_photos(learn, pairs, tmp_path, monkeypatch):
    """And goes on to the style of a run that nobody disturbed."""
    words = ["--config=anime", *RANDOM, f"--config.dataset={pairs}/learn"]
    words += ["--config.style.debias=true", f"--config.content={pairs}/held"]
    read, seen = photo.read, []

    def disturbed(path):
        seen.append(path.name)
        signal.raise_signal(signal.SIGINT)
        return read(path)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert learn([*words, f"--workdir={whole}"]) == 0
    monkeypatch.setattr(photo, "read", disturbed)
    assert learn([*words, f"--workdir={stopped}"]) == 130
    assert seen == ["03.png"]
    assert not (stopped / "style.safetensors").exists()
    monkeypatch.setattr(photo, "read", read)
    assert learn([*words, f"--workdir={stopped}"]) == 0
    files = [(folder / "style.safetensors").read_bytes() for folder in (whole, stopped)]
    assert files[0] == files[1]


WRONG = {
    "no originals": (
        "transfer",
        ["--config.dataset=data/paintings"],
        r"needs the original of each picture, and \d of \d have none \(.*\); add a column original",
    ),
    "originals of other names": (
        "transfer",
        ["--config.dataset.originals={0}/held"],
        r"held has no photographs named 01, the original of",
    ),
    "original missing": (
        "transfer",
        ["--config.dataset={0}/missing"],
        r"missing/photo\.png does not exist",
    ),
    "original narrow": (
        "transfer",
        ["--config.dataset={0}/narrow", "--config.style.layers=relu3_1"],
        r"1 of 1 images are too narrow for relu3_1 .*\(\S*narrow/photo\.png\); crop",
    ),
    "original of another size than its mask": (
        "transfer",
        ["--config.dataset={0}/masked", "--config.dataset.region=sky"],
        r"sky\.png is 96x96 pixels and \S*masked/photo\.png 96x80; make them equal",
    ),
    "photo narrow at the style's scale": (
        "learn_style",
        ["--config.content={0}/long/photo.png", "--config.style.scale=0.5"],
        r"1 of 1 images are too narrow for relu2_1 at 32 px, the first stage \(photo\.png\); crop",
    ),
    "a region of the photo that vanishes at the style's scale": (
        "transfer",
        [
            "--config.content={0}/masked/a.png",
            "--config.content.masks=sky={0}/dot.png",
            "--config.dataset=sky={0}/change.safetensors",
            "--config.style.scale=0.5",
        ],
        r"sky vanishes at relu2_1: of its positions at 16x16 pixels, less than one is in the",
    ),
    "no photo": ("learn_style", [], r"needs photographs that take the place of the originals"),
    "colors kept twice": (
        "transfer",
        ["--config.content.original_colors=match"],
        r"already keeps what the filter keeps .* set config\.content\.original_colors=no",
    ),
    "inside": ("transfer", ["--config.style.propagation=inside"], r"choose soft or any"),
    "masks that nobody looks at": (
        "learn_style",
        ["--config.content={0}/held/03.png", "--config.content.masks=sky={0}/masked/sky.png"],
        r"config\.content\.masks is for `python -m experiments\.transfer`",
    ),
    "regions": (
        "learn_style",
        ["--config.content={0}/held", "--config.dataset.region=sky"],
        r"debias is for whole pictures here; set dataset\.region=all",
    ),
    "a style file": (
        "transfer",
        ["--config.dataset={0}/learn/style.safetensors"],
        r"style\.safetensors is not a change file of this program",
    ),
}


@pytest.fixture
def odd_originals(pairs):
    """Folders of a.png, whose original is missing, narrow, long, or not as large as its mask."""
    dot = np.zeros((96, 96), np.uint8)
    dot[:8, :8] = 255
    Image.fromarray(dot).save(pairs / "dot.png")
    shapes = {"missing": (), "narrow": (500, 1), "long": (8, 1600), "masked": (80, 96)}
    for name, shape in shapes.items():
        folder = pairs / name
        folder.mkdir(exist_ok=True)
        for file, size in {"a": (96, 96), "sky": (96, 96), "photo": shape}.items():
            if size:
                Image.fromarray(np.full(size, 255, np.uint8)).save(folder / f"{file}.png")
        table = "file_name,original,mask_sky\na.png,photo.png,sky.png\n"
        (folder / "metadata.csv").write_text(table)


@pytest.mark.usefixtures("odd_originals")
@pytest.mark.parametrize("case", WRONG)
def test_wrong_debias_ends_in_one_line(learn, restyle, pairs, tmp_path, capsys, case):
    experiment, more, match = WRONG[case]
    (pairs / "learn" / "style.safetensors").write_bytes(b"no such thing")
    run = {"transfer": restyle, "learn_style": learn}[experiment]
    words = [*RANDOM, f"--config.dataset={pairs}/learn", "--config.style.debias=true"]
    words += [f"--config.content={pairs}/held"] if experiment == "transfer" else []
    words += [word.format(pairs) for word in more]
    config = {"transfer": "transfer", "learn_style": "anime"}[experiment]
    assert run([f"--config={config}", *words, f"--workdir={tmp_path / 'run'}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [one for one in err.splitlines() if one.startswith("error: ")]
    assert re.search(match, line), line
    assert not (tmp_path / "run").exists()
