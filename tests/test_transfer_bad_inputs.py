"""What a person may get wrong about a transfer: one line, exit status 2, and nothing is written."""

import json
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from experiments import cli
from experiments.inputs import refuse_large
from styleinv import memory
from styleinv.errors import InputError
from styleinv.record import Record

BASE = (
    "--config=transfer",
    "--workdir={tmp}/run",
    "--config.network.weights=random",
    "--config.style.layers=relu1_1,relu3_1",
    "--config.content.layers=relu2_1",
    "--config.resolution=32",
    "--config.steps=1",
)
CONTENT, STYLE = "--config.content={tmp}/pictures/a.png", "--config.style={tmp}/pictures/b.png"
COLORS = "--config.content.original_colors"
MASK = "--config.content.masks=sky={tmp}/sky.png"
TABLE = {
    "no content": (
        [STYLE],
        r"there is no photo to restyle; give one: --config\.cont",
    ),
    "content missing": (["--config.content=none.jpg", STYLE], r"none\.jpg does not exist"),
    "content broken": (
        ["--config.content={tmp}/text.png", STYLE],
        r"text\.png is not a readable",
    ),
    "content of a region": (
        ["--config.content=sky={tmp}/pictures/a.png", STYLE],
        r"content\.path \(=sky=\S*a\.png\) has a photo for the region sky; leave the name out",
    ),
    "content narrow": (
        ["--config.content={tmp}/long.png", STYLE],
        r"1 of 1 images are too narrow for relu3_1 at 32 px, the first stage \(long\.png\)",
    ),
    "style missing": ([CONTENT, "--config.style=none.jpg"], r"none\.jpg does not exist"),
    "two seeds": (
        [CONTENT, STYLE, "--config.seeds=0,1"],
        r"config\.seeds has 2 seeds; a transf",
    ),
    "a seed without noise": (
        [CONTENT, STYLE, "--config.seeds=7"],
        r"config\.seeds are of noise, and config\.start\.image \(=content\) is none; leave",
    ),
    "a question": (
        [CONTENT, STYLE, "--config.verify.counts=1"],
        r"config\.verify\.counts is for `python -m experiments\.verify`; leave it out",
    ),
    "two equal alphas": (
        [CONTENT, STYLE, "--config.alpha=1,1"],
        r"config\.alpha names a number",
    ),
    "no content layer": (
        [CONTENT, STYLE, "--config.content.layers=()"],
        r"layers is empty",
    ),
    "unknown normalization": (
        [CONTENT, STYLE, "--config.content.normalization=means"],
        r"config\.content\.normalization \(=means\) is not known; did you mean mean\?",
    ),
    "unknown colors": (
        [CONTENT, STYLE, "--config.content.original_colors=luma"],
        r"original_colors \(=luma\) is not known; .*options are no, luminance, match",
    ),
    "bits": ([CONTENT, STYLE, "--config.content.bits=12"], r"bits \(=12\) must be 0, 8 or 16"),
    "start missing": ([CONTENT, STYLE, "--config.start.image=no.png"], r"no\.png does not exist"),
    "region without style": (
        [CONTENT, STYLE, MASK],
        r"no style for the region sky; write",
    ),
    "regions that are called otherwise in the style": (
        [
            CONTENT,
            "--config.content.masks=sky={tmp}/sky.png#ffffff",
            "--config.dataset.masks=sea={tmp}/sky.png",
            STYLE,
        ],
        r"no picture of the style has a mask sky, but sea; call the photo's regions what theirs "
        r"are \(--config\.content\.masks=sea=\S+sky\.png#ffffff\), or write --config\.style=sky=F",
    ),
    "a mask with a comma in its name": (
        [CONTENT, "--config.content.masks=sky=a,b.png", STYLE],
        r"the mask b\.png does not exist; commas stand between masks",
    ),
    "style for no region": (
        [CONTENT, "--config.style=sea={tmp}/pictures/b.png"],
        r"there is a style for the region sea, but no such region; regions are all",
    ),
    "style for all regions": (
        [CONTENT, MASK, "--config.style=sky={tmp}/pictures/b.png,all={tmp}/pictures/c.png"],
        r"there is a style for the region all, but no such region; regions are sky, rest",
    ),
    "style beside the only region's that has one": (
        [CONTENT, MASK, "--config.style=sky={tmp}/pictures/b.png,{tmp}/pictures/c.png"],
        r"pictures/c\.png is for no region; regions are sky, rest: write NAME=FILE",
    ),
    "pictures drawn of two regions together": (
        [
            CONTENT,
            MASK,
            "--config.style=sky={tmp}/pictures/c.png,rest={tmp}/pictures/d.png",
            "--config.dataset.size=1",
        ],
        r"config\.dataset\.size draws from all pictures together, and .* region alone; make it 0",
    ),
    "masks of a folder": (
        ["--config.content={tmp}/pictures", STYLE, MASK],
        r"config\.content\.masks are for one picture, and there are 4; put a metadata\.csv beside",
    ),
    "mask missing": (
        [CONTENT, "--config.content.masks=sky=no.png", "--config.style=sky={tmp}/pictures/b.png"],
        r"no\.png does not exist",
    ),
    "mask of another size": (
        [CONTENT, "--config.content.masks=sky={tmp}/wide.png", STYLE],
        r"wide\.png is 65x48 pixels and \S*a\.png 64x48; make them equal",
    ),
    "vanishing region": (
        [
            CONTENT,
            "--config.content.masks=sky={tmp}/dot.png",
            "--config.style=sky={tmp}/pictures/b.png",
        ],
        r"vanishes at relu3_1: .* less than one is in the region; \d+x\d+ pixels would do, or sh",
    ),
    **{
        f"{kind} without pictures": (
            [CONTENT, "--config.style={tmp}/s.safetensors", f"{COLORS}={kind}"],
            rf"original_colors \(={kind}\) needs the style's pictures, and \S*s\.safetensors holds "
            r"none; give them, or the style\.png",
        )
        for kind in ("match", "luminance")
    },
    "style file beside a picture": (
        [CONTENT, "--config.style={tmp}/s.safetensors,{tmp}/pictures/b.png"],
        r"has a style file beside others; write NAME=FILE to give each region its own",
    ),
    "style file beside the region's picture": (
        [CONTENT, MASK, "--config.style=sky={tmp}/s.safetensors,sky={tmp}/pictures/b.png"],
        r"has a style file beside others; write NAME=FILE to give each region its own",
    ),
    "two style files": (
        [CONTENT, "--config.style={tmp}/t.safetensors,{tmp}/s.safetensors"],
        r"has a style file beside others; write NAME=FILE to give each region its own",
    ),
}


@pytest.fixture
def attempt(restyle, capsys, tmp_path, pictures):
    """A function: words -> exit status and standard error; the files of the table are there."""
    for name, size, box in (("sky", 64, 30), ("wide", 65, 30), ("dot", 64, 3)):
        mask = np.zeros((48, size), np.uint8)
        mask[:box, :box] = 255
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    Image.new("RGB", (2000, 20)).save(tmp_path / "long.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "s.safetensors").write_bytes(b"")

    def run(words):
        status = restyle([word.format(tmp=tmp_path) for word in (*BASE, *words)])
        return status, capsys.readouterr().err

    return run


@pytest.mark.parametrize(("words", "message"), TABLE.values(), ids=TABLE)
def test_a_bad_input_is_answered_in_one_line(attempt, tmp_path, words, message):
    status, err = attempt(words)
    last = err.splitlines()[-1]
    assert status == 2
    assert last.startswith("error: ")
    assert re.search(message, last), last
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def stop_at(number, attempt, words, monkeypatch):
    """Runs, and interrupts at a step."""
    step = Record.step

    def disturbed(self, count, line):
        step(self, count, line)
        if count == number:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Record, "step", disturbed)
        assert attempt(words)[0] == 130


def test_a_run_goes_on_with_the_photographs_it_began_with(attempt, tmp_path, monkeypatch):
    """Its checkpoint counts them: with one more before it, another would go on in its place."""
    photos, run = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    for name in "bc":
        shutil.copy(tmp_path / "pictures" / f"{name}.png", photos)
    words = ["--config.content={tmp}/photos", STYLE, "--config.steps=3"]
    stop_at(5, attempt, words, monkeypatch)  # in the second picture

    def everything():
        return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    before, photo = everything(), (photos / "c.png").read_bytes()
    for name in ("a", "c"):  # one more; and another under the same name
        shutil.copy(tmp_path / "pictures" / "a.png", photos / f"{name}.png")
        status, err = attempt(words)
        assert status == 2
        assert "of other photographs than there are now; name a new --workdir" in err
        assert everything() == before
        (photos / f"{name}.png").unlink()
        (photos / "c.png").write_bytes(photo)
    told = json.loads((run / "run.json").read_text())
    assert [each["name"] for each in told.pop("contents")] == ["b", "c"]
    (run / "run.json").write_text(json.dumps(told))  # as of a run that began without the list
    assert attempt(words)[0] == 0
    shutil.copy(tmp_path / "pictures" / "a.png", photos)
    status, err = attempt(words)
    assert status == 2
    assert "run holds 2 pictures, finished, and there are photographs for 3 now; name a new" in err


def test_a_finished_run_is_not_of_another_photo_of_the_same_name(attempt, tmp_path):
    photo, words = tmp_path / "pictures" / "a.png", [CONTENT, STYLE, "--config.alpha=1,0.1"]
    before = photo.read_bytes()
    assert attempt(words)[0] == 0
    shutil.copy(tmp_path / "pictures" / "c.png", photo)
    status, err = attempt(words)
    assert status == 2
    assert re.search(r"run\.json is of other photographs than there are now; name a new", err)
    photo.write_bytes(before)
    assert attempt(words)[0] == 0


@pytest.mark.parametrize("name", ["sky", "start"])
def test_a_run_goes_on_with_the_masks_and_the_start_it_began_with(
    attempt, tmp_path, monkeypatch, name
):
    Image.new("RGB", (64, 48), "gray").save(tmp_path / "start.png")
    more = ["--config.start.image={tmp}/start.png", "--config.steps=3"]
    words = [CONTENT, MASK, "--config.style=sky={tmp}/pictures/b.png", *more]
    stop_at(2, attempt, words, monkeypatch)
    path = tmp_path / f"{name}.png"
    before = path.read_bytes()
    Image.new("RGB", (64, 48), "white").save(path)
    status, err = attempt(words)
    assert status == 2
    assert re.search(rf"{name}\.png is not what it was when \S*run\.json was begun", err)
    path.write_bytes(before)
    assert attempt(words)[0] == 0


@pytest.mark.parametrize(
    ("gigabytes", "hint"),
    [
        (
            2.6,
            r"3 GB are free; config\.resolution=\d+ or config\.network\.rematerialize=true would",
        ),
        (1.51, r"2 GB are free; config\.resolution=\d+ would do"),
    ],
)
def test_a_size_that_cannot_fit_is_refused_with_one_that_does(
    attempt, tmp_path, monkeypatch, gigabytes, hint
):
    monkeypatch.setattr(memory, "free", lambda: gigabytes * 1e9)
    words = [CONTENT, STYLE, "--config.resolution=800", "--config.optimizer.memory=2"]
    status, err = attempt(words)
    assert status == 2
    assert re.search(rf"config\.resolution \(=800\) needs about \d GB of memory, and {hint}", err)
    assert not (tmp_path / "run").exists()
    best = int(re.findall(r"config\.resolution=(\d+)", err)[0])
    line = [word.format(tmp=tmp_path) for word in (*BASE, *words)]
    refuse_large(cli.parse("transfer", [*line, f"--config.resolution={best}"]).config)
    with pytest.raises(InputError, match="GB of memory"):
        refuse_large(cli.parse("transfer", [*line, f"--config.resolution={best + 16}"]).config)
