"""What a person may get wrong: one line, exit status 2, and nothing is written."""

import errno
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import weights_files
from PIL import Image

from experiments import cli
from styleinv import record, style_file, weights
from styleinv.style import Moments, Spread, Style
from styleinv.style_file import Origin
from styleinv.synthesize import Position

ROOT = Path(cli.__file__).parents[1]
CHANNELS = {"pixels": 3, "relu1_1": 64, "relu2_1": 128}
BASE = (
    "--config=anime",
    "--workdir={tmp}/run",
    "--config.dataset.path={tmp}/pictures",
    "--config.network.weights=random",
    "--config.style.layers=relu1_1,relu2_1",
    "--config.resolution=32",
    "--config.steps=1",
)


def image(kind="PNG", size=(64, 48), mode="RGB", value=0):
    buffer = io.BytesIO()
    Image.new(mode, size, value).save(buffer, kind)
    return buffer.getvalue()


def bomb():
    """A PNG of a hundred bytes that claims to be of 100000 x 100000 pixels."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def manifest(*lines):
    return {"pictures/metadata.csv": "\n".join(lines).encode()}


def masked(mask):
    """Files of a dataset of one picture with that mask."""
    return manifest("file_name,mask", "a.png,mask.png") | {"pictures/mask.png": mask}


def style(tmp, *, layers=tuple(CHANNELS), resolutions=(32,), **origin):
    """A style file, by default one that the run could use."""
    digest = weights.load("random").digest
    made = {"network": "vgg19", "weights": digest, "pooling": "average", "padding": "replicate"}
    moments = {
        layer: Moments(1.0, np.zeros(n), np.eye(n), Spread(0.0, 0.0, 0.0))
        for layer, n in CHANNELS.items()
        if layer in layers
    }
    path = tmp / "made"
    styles = {resolution: Style(resolution, moments) for resolution in resolutions}
    style_file.save(path, styles, Origin(**({"region": "all"} | made | origin)))
    content = path.read_bytes()
    path.unlink()
    return content


def other_weights(tmp):
    return style(tmp, weights="f00d")


def other_pooling(tmp):
    return style(tmp, pooling="max")


def other_layers(tmp):
    return style(tmp, layers=("pixels", "relu1_1"))


def other_resolution(tmp):
    return style(tmp, resolutions=(16, 64))


def truncated_style(tmp):
    return style(tmp)[:-100]


def own_config(tmp):
    """config.json as the run of `BASE` writes it."""
    words = [word.format(tmp=tmp) for word in BASE]
    return json.dumps(asdict(cli.parse("learn_style", words).config)).encode()


def other_config(tmp):
    return own_config(tmp).replace(b'"tv": ', b'"tv": 1')


RUN = {"run/config.json": own_config, "run/metrics.jsonl": b""}
HOSTILE = weights_files.dumps(
    weights_files.Call(weights_files.Global("os", "system"), ("echo owned",))
)

DATASET = {
    "missing folder": (["--config.dataset.path={tmp}/none"], {}, r"error: \S*none does not exist"),
    "folder without images": (
        ["--config.dataset.path={tmp}/other"],
        {"other/notes.txt": b""},
        r"dataset \S*other holds no images \(\.png, .*\) and no metadata\.csv",
    ),
    "text file as dataset": (
        ["--config.dataset.path={tmp}/notes"],
        {"notes": b"text"},
        r"\S*notes is not a readable image: not an image in a format that is known",
    ),
    "text called .png": ([], {"pictures/b.png": b"text"}, r"1 of 4 images .*b\.png is not a rea"),
    "zero bytes": ([], {"pictures/b.png": b""}, r"1 of 4 images cannot be used: \S*b\.png is not"),
    "truncated JPEG": (
        [],
        {"pictures/b.jpg": image("JPEG", (640, 480), value=7)[:1500]},
        r"1 of 5 images cannot be used: \S*b\.jpg is not a readable image: .*[Tt]runcated",
    ),
    "truncated PNG": ([], {"pictures/b.png": image()[:60]}, r"1 of 4 images .*b\.png is not a rea"),
    "decompression bomb": (
        [],
        {"pictures/b.png": bomb()},
        r"b\.png has more than \d+ megapixels; make it smaller",
    ),
    "two bad files": (
        [],
        {"pictures/b.png": b"", "pictures/d.png": b"text"},
        r"2 of 4 images cannot be used: \S*b\.png .*; \S*d\.png ",
    ),
    "folder called .png": ([], {"pictures/e.png/x": b""}, r"e\.png cannot be read: Is a directory"),
    "banner": (
        ["--config.style.layers=relu5_4"],
        {"pictures/e.png": image(size=(2000, 10))},
        r"1 of 5 images are too narrow for relu5_4 at 32 px, the first stage \(e\.png\); crop them",
    ),
    "size too large": (
        ["--config.dataset.size=5"],
        {},
        r"size \(=5\) is more than the 4 images .*4",
    ),
    "size negative": (
        ["--config.dataset.size=-1"],
        {},
        r"config\.dataset\.size \(=-1\) must be 0 ",
    ),
    "seed negative": (
        ["--config.dataset.seed=-1"],
        {},
        r"config\.dataset\.seed \(=-1\) must be 0 ",
    ),
    "three weights for four": (
        ["--config.dataset.weights=1,2,3"],
        {},
        r"config\.dataset\.weights has 3 numbers for 4 images; give one for each",
    ),
    "weight negative": (
        ["--config.dataset.weights=1,2,3,-1"],
        {},
        r"config\.dataset\.weights: weight \(=-1\.0\) must be a number, 0 or more",
    ),
    "weights all zero": (
        ["--config.dataset.weights=0,0,0,0"],
        {},
        r"all weights of the dataset are zero; give at least one image a weight",
    ),
    "unknown region": (
        ["--config.dataset.region=masks"],
        {},
        r"4 of 4 images cannot be used: \S*a\.png has no mask_masks; add a column mask_mas",
    ),
    "picture beside the region's own": (
        [
            "--config.dataset.region=sky",
            "--config.dataset.path=sky={tmp}/pictures/b.png,{tmp}/pictures",
        ],
        {},
        r"pictures/a\.png is for no region; regions are sky: write NAME=FILE",
    ),
    "picture for all of one region": (
        ["--config.dataset.path=all={tmp}/pictures/a.png", "--config.dataset.region=sky"],
        {},
        r"there is a style for the region all, but no such region; regions are sky",
    ),
    "region without masks": (
        ["--config.dataset.region=mask"],
        {},
        r"4 of 4 images cannot be used: \S*a\.png has no mask; add a column mask or use region=all",
    ),
    "mask of another size": (
        ["--config.dataset.region=mask"],
        masked(image(size=(64, 64), mode="L", value=255)),
        r"mask\.png is 64x64 pixels and \S*\.png 64x48; make them equal",
    ),
    "mask all black": (
        ["--config.dataset.region=mask"],
        masked(image(mode="L", value=0)),
        r"mask\.png has nothing white; drop the image or mend the mask",
    ),
    "mask all white, rest": (
        ["--config.dataset.region=rest"],
        masked(image(mode="L", value=255)),
        r"mask\.png has nothing black; drop the image or mend the mask",
    ),
    "mask missing": (
        ["--config.dataset.region=mask"],
        manifest("file_name,mask", "a.png,none.png"),
        r"none\.png does not exist",
    ),
}

MANIFEST = {
    "no file_name": (manifest("name", "a.png"), r"metadata\.csv has no column file_name, but name"),
    "empty file": (manifest(""), r"metadata\.csv has no column file_name, but nothing"),
    "no rows": (manifest("file_name"), r"metadata\.csv lists no images; add a line for each"),
    "missing image": (manifest("file_name", "z.png"), r"pictures/z\.png does not exist"),
    "climbing": (
        manifest("file_name", "../a.png"),
        r"line 2: \.\./a\.png is outside of the folder",
    ),
    "absolute": (manifest("file_name", "/etc/passwd"), r"line 2: /etc/passwd is outside of the fo"),
    "negative weight": (
        manifest("file_name,weight", "a.png,1", "b.png,-1"),
        r"metadata\.csv, line 3: weight \(=-1\) must be a number, 0 or more",
    ),
    "NaN weight": (
        manifest("file_name,weight", "a.png,NaN"),
        r"line 2: weight \(=NaN\) must be a ",
    ),
    "text weight": (
        manifest("file_name,weight", "a.png,x"),
        r"line 2: weight \(=x\) must be a num",
    ),
    "all zero": (manifest("file_name,weight", "a.png,0"), r"all weights of the dataset are zero"),
    "listed twice": (
        manifest("file_name", "a.png", "a.png"),
        r"line 3: a\.png is listed twice; us",
    ),
    "many cells": (manifest("file_name", "a.png,1"), r"line 2: there are more cells than columns"),
    "not UTF-8": ({"pictures/metadata.csv": b"file_name\n\xe9.png"}, r"is not a UTF-8 CSV file: "),
    "UTF-16": ({"pictures/metadata.csv": "file_name".encode("utf-16")}, r"is not a UTF-8 CSV file"),
    "line break in a name": (
        manifest("file_name", '"a\nb.png"'),
        r"pictures/a\?b\.png does not ex",
    ),
    "name too long": (manifest("file_name", "a" * 5000), r"a cannot be read: File name too long"),
}

CONFIG = {
    "unknown config": (["--config=anme"], r"--config \(=anme\) is not known; did you mean anime"),
    "two configs": (["--config=novak2016"], r"--config is given 2 times; give it once"),
    "unknown field": (["--config.stepz=1"], r"--config\.stepz is not a field; did you mean config"),
    "unknown flag": (["--workdri=a"], r"--workdri is no flag; did you mean workdir\?"),
    "missing value": (["--config.tv"], r"--config\.tv has no value; write --config\.tv=VALUE"),
    "text for int": (["--config.resolution=big"], r"resolution \(=big\) must be a whole number"),
    "text for float": (["--config.tv=much"], r"--config\.tv \(=much\) must be a number"),
    "text for ints": (["--config.steps=1,b"], r"--config\.steps has '1,b', which is not a whole n"),
    "unknown network": (
        ["--config.network.name=vgg18"],
        r"did you mean vgg1\d\? options are vgg16",
    ),
    "unknown pooling": (
        ["--config.network.pooling=min"],
        r"pooling \(=min\) is not known; .*average",
    ),
    "unknown padding": (["--config.network.padding=zero"], r"\(=zero\) .* did you mean zeros\?"),
    "unknown algorithm": (
        ["--config.network.convolution=fft"],
        r"convolution \(=fft\) is not known",
    ),
    "unknown statistic": (["--config.style.statistic=grams"], r"\(=grams\) .* did you mean gram\?"),
    "unknown layer": (
        ["--config.style.layers=relu6_1"],
        r"layers \(=relu6_1\) is not known; did y",
    ),
    "unknown preset": (
        ["--config.style.layer_weights=normal"],
        r"did you mean normalized\? options",
    ),
    "unknown optimizer": (["--config.optimizer.name=bfgs"], r"\(=bfgs\) .* did you mean lbfgs\?"),
    "unknown parameters": (["--config.optimizer.parameters=pixel"], r"did you mean pixels\?"),
    "unknown noise": (
        ["--config.start.noise=white"],
        r"start\.noise \(=white\) is not known; .*uni",
    ),
    "factors of layers in another order": (
        ["--config.style.layers=relu2_1,relu1_1", "--config.style.layer_factors=2,1"],
        r"in the network's order, .*; write --config\.style\.layers=relu1_1,relu2_1",
    ),
    "factors of a layer named twice": (
        ["--config.style.layers=relu1_1,relu1_1", "--config.style.layer_factors=2"],
        r"each named once; write --config\.style\.layers=relu1_1",
    ),
    "three factors": (["--config.style.layer_factors=1,2,3"], r"has 3 numbers for 2 layers"),
    "negative factor": (
        ["--config.style.layer_factors=1,-2"],
        r"layer_factors \(=-2\.0\) must be 0",
    ),
    "factors zero": (
        ["--config.style.layer_factors=0,0"],
        r"layer_factors are all zero; give some",
    ),
    "NaN tv": (["--config.tv=nan"], r"config\.tv \(=nan\) must be 0 or more"),
    "infinite tv": (["--config.tv=inf"], r"config\.tv \(=inf\) must be 0 or more"),
    "negative contrast": (
        ["--config.start.contrast=-1"],
        r"start\.contrast \(=-1\.0\) must be 0 or",
    ),
    "memory 0": (["--config.optimizer.memory=0"], r"optimizer\.memory \(=0\) must be 1 or more"),
    "rate 0": (
        ["--config.optimizer.learning_rate=0"],
        r"learning_rate \(=0\.0\) must be more than",
    ),
    "rate NaN": (
        ["--config.optimizer.learning_rate=nan"],
        r"learning_rate \(=nan\) must be more t",
    ),
    "no steps": (["--config.steps=()"], r"config\.steps is empty; give at least one"),
    "zero steps": (["--config.steps=2,0"], r"config\.steps \(=0\) must be 1 or more"),
    "negative steps": (["--config.steps=-3"], r"config\.steps \(=-3\) must be 1 or more"),
    "no seeds": (["--config.seeds=()"], r"config\.seeds is empty; give at least one"),
    "seed twice": (["--config.seeds=3,3"], r"config\.seeds names a number twice"),
    "split waves": (
        ["--config.network.split=true", "--config.optimizer.parameters=waves"],
        r"config\.network\.split is for pixels, not for config\.optimizer\.parameters \(=waves\)",
    ),
    "unknown precision": (["--config.network.precision=half"], r"precision \(=half\) is not known"),
    "bfloat16 Winograd": (
        ["--config.network.precision=bfloat16", "--config.network.convolution=winograd"],
        r"config\.network\.precision \(=bfloat16\) is for direct convolutions",
    ),
    "negative dispatch": (["--config.optimizer.at_once=-1"], r"at_once \(=-1\) must be 0 or more"),
    "split Winograd": (
        ["--config.network.split=true", "--config.network.convolution=winograd"],
        r"config\.network\.split takes direct convolutions",
    ),
    "a photo": (
        ["--config.content={tmp}/pictures/a.png"],
        r"config\.content\.path is for `python -m experiments\.transfer`; .*; leave it out",
    ),
    "a start at no photo": (
        ["--config.start.image=content"],
        r"start\.image \(=content\) is for a transfer, which starts from its photo; choose noise",
    ),
    "masks of no region": (
        [
            "--config.dataset.path={tmp}/pictures/a.png",
            "--config.dataset.masks=sky={tmp}/pictures/b.png",
        ],
        r"config\.dataset\.masks are for a region; write --config\.dataset\.region=sky",
    ),
    "masks of no photo": (
        ["--config.content.masks=sky={tmp}/pictures/a.png"],
        r"config\.content\.masks is for `python -m experiments\.transfer`",
    ),
    "colors of no photo": (
        ["--config.content.original_colors=luminance"],
        r"config\.content\.original_colors is for `python -m experiments\.transfer`",
    ),
    "seeds without noise": (
        ["--config.start.image={tmp}/pictures/a.png", "--config.seeds=0,1,2"],
        r"config\.seeds has 3 seeds of noise, and .*a\.png\) is none: .*; give one seed",
    ),
    "negative seed": (["--config.seeds=-1"], r"config\.seeds \(=-1\) must be 0 or more"),
    "never a checkpoint": (
        ["--config.checkpoint_every=0"],
        r"checkpoint_every \(=0\) must be 1 or",
    ),
    "resolution too small for the style's scale": (
        ["--config.style.scale=0.25"],
        r"resolution \(=32\) must be 64 or more, for 1 stages and the style at 0\.25 of its size",
    ),
    "resolution zero": (["--config.resolution=0"], r"resolution \(=0\) must be 16 or more"),
    "resolution negative": (
        ["--config.resolution=-32"],
        r"\(=-32\) must be 16 or more",
    ),
    "resolution too small for its stages": (
        ["--config.steps=1,1,1"],
        r"config\.resolution \(=32\) must be 64 or more, for 3 stages",
    ),
}

WEIGHTS = {
    "unknown name": (
        "defalt",
        None,
        r"config\.network\.weights \(=defalt\) is not a source or a fi",
    ),
    "missing path": (
        "{tmp}/none.pth",
        None,
        r"weights \(=\S*none\.pth\) is not a source or a file",
    ),
    "folder": ("{tmp}/pictures", None, r"weights \(=\S*pictures\) is not a source or a file"),
    "empty file": ("{tmp}/w", b"", r"\S*w is not a file of weights"),
    "text file": (
        "{tmp}/w",
        b"some text, and more of it",
        r"\S*w is not a file of weights \(it doe",
    ),
    "picture": (
        "{tmp}/w",
        image(),
        r"\S*w is not a file of weights \(it does not start as: torch, ",
    ),
    "hostile pickle": ("{tmp}/w", HOSTILE, r"\S*w was refused as a torch file: "),
    "truncated pickle": (
        "{tmp}/w",
        weights_files.dumps({"a": 1})[:-3],
        r"\S*w was refused as a to",
    ),
    "truncated safetensors": (
        "{tmp}/w",
        truncated_style,
        r"\S*w was refused as a safetensors file",
    ),
    "style file": ("{tmp}/w", style, r"\S*w is not a VGG: it holds "),
}

STYLE = {
    "missing": (None, r"\S*s does not exist"),
    "text": (b"text", r"\S*s\.safetensors is not a style file of this program: "),
    "picture": (image(), r"\S*s\.safetensors is not a style file of this program: "),
    "truncated": (truncated_style, r"\S*s\.safetensors is not a style file of this program: "),
    "other weights": (
        other_weights,
        r"made with weights f00d, and this run has \w+; choose config",
    ),
    "other pooling": (
        other_pooling,
        r"made with pooling max, and this run has average; choose con",
    ),
    "other layers": (
        other_layers,
        r"has the layers pixels, relu1_1, and this run needs relu2_1; ch",
    ),
    "other resolution": (
        other_resolution,
        r"was measured at 16, 64 px, and this run needs 32; cho",
    ),
}

NO_PICTURES = {  # a style file
    "size": ("size=1",),
    "weights": ("weights=1,2",),
    "originals": ("originals={tmp}/pictures",),
    "masks": ("masks=sky={tmp}/pictures/a.png",),
}

WORKDIR = {
    "file": ({"run": b""}, r"--workdir \(=\S*run\) is a file; name a folder"),
    "foreign files": ({"run/notes.txt": b""}, r"\(=\S*run\) holds files but no run; name a new"),
    "another run": (
        {"run/config.json": other_config},
        r"\(=\S*run\) holds a run with config\.tv=1\S*, not \S+; name a new folder",
    ),
    "a run of another experiment": (
        {"run/config.json": own_config, "run/run.json": b'{"experiment": "measure"}'},
        r"\(=\S*run\) holds a run of measure, not learn_style; name a new folder",
    ),
    "config.json cut off": (
        {"run/config.json": lambda tmp: own_config(tmp)[:-9]},
        r"run/config\.json is not valid JSON",
    ),
    "config.json a list": ({"run/config.json": b"[]"}, r"run/config\.json holds no JSON object"),
    "config.json binary": (
        {"run/config.json": b"\xff\xfe\0"},
        r"run/config\.json is not valid JSON",
    ),
    "run.json cut off": (RUN | {"run/run.json": b'{"status": "fin'}, r"run/run\.json is not valid"),
    "run.json a number": (RUN | {"run/run.json": b"7"}, r"run/run\.json holds no JSON object"),
    "style file damaged": (
        RUN | {"run/style.safetensors": truncated_style},
        r"run/style\.safetensors is not a style file of this program",
    ),
    "style file of other weights": (
        RUN | {"run/style.safetensors": other_weights},
        r"run/style\.safetensors was made with weights f00d, and this run has",
    ),
    "style file of other images": (
        RUN | {"run/style.safetensors": style},
        r"run/style\.safetensors is of other images than there are now; name a new --workdir",
    ),
    "checkpoint damaged": (
        RUN | {"run/checkpoints/5/meta/metadata": b"{", "run/checkpoints/5/leaves/x": b""},
        r"run holds a run that is damaged \(\w+\); name a new folder",
    ),
}


def rows(table, arrange):
    return [pytest.param(*arrange(*row), id=name.replace(" ", "-")) for name, row in table.items()]


TABLE = [
    *rows(DATASET, lambda *row: row),
    *rows(MANIFEST, lambda files, message: ([], files, message)),
    *rows(CONFIG, lambda words, message: (words, {}, message)),
    *rows(
        WEIGHTS,
        lambda name, content, message: (
            [f"--config.network.weights={name}"],
            {} if content is None else {"w": content},
            message,
        ),
    ),
    *rows(
        STYLE,
        lambda content, message: (
            ["--config.dataset.path={tmp}/s.safetensors"],
            {} if content is None else {"s.safetensors": content},
            message,
        ),
    ),
    *rows(
        NO_PICTURES,
        lambda option: (
            ["--config.dataset.path={tmp}/s.safetensors", f"--config.dataset.{option}"],
            {"s.safetensors": style},
            rf"config\.dataset\.{option.split('=')[0]} is for pictures, and \S*s\.safetensors",
        ),
    ),
    *rows(WORKDIR, lambda files, message: ([], files, message)),
]


@pytest.fixture
def attempt(learn, capsys):
    """A function: words -> exit status and standard error of a run in this process."""

    def run(words):
        return learn(words), capsys.readouterr().err

    return run


def write(tmp, files):
    for name, content in files.items():
        path = tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(tmp) if callable(content) else content)


def tree(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def command_line(tmp, words):
    return [word.format(tmp=tmp) for word in (*BASE, *words)]


def check_answer(status, error, message):
    assert status == 2
    assert re.fullmatch(r"error: .+\n", error), error
    assert re.search(message, error), error


@pytest.mark.parametrize(("words", "files", "message"), TABLE)
def test_a_bad_input_is_answered_in_one_line(attempt, tmp_path, pictures, words, files, message):
    write(tmp_path, files)
    before = tree(tmp_path)
    check_answer(*attempt(command_line(tmp_path, words)), message)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "files", "message"),
    [
        (["--config.stepz=1"], {}, CONFIG["unknown field"][1]),
        (["--config.style.layers=relu6_1"], {}, CONFIG["unknown layer"][1]),
        ([], {"pictures/b.png": b"text"}, DATASET["text called .png"][2]),
        (["--config.network.weights={tmp}/w"], {"w": HOSTILE}, WEIGHTS["hostile pickle"][2]),
    ],
)
def test_a_bad_input_is_answered_by_the_real_program(tmp_path, pictures, words, files, message):
    write(tmp_path, files)
    before = tree(tmp_path)
    command = [sys.executable, "-m", "experiments.learn_style", *command_line(tmp_path, words)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    *log, last = done.stderr.splitlines(keepends=True)
    check_answer(done.returncode, last, message)
    assert not [line for line in log if "Traceback" in line or line.startswith(("error", " "))]
    assert done.stdout == ""
    assert tree(tmp_path) == before


def test_weights_that_end_too_early_are_refused(attempt, tmp_path, pictures, shared):
    path = shared / "vgg_prefix" / "vgg_normalised_conv3_1.pth"
    words = [f"--config.network.weights={path}", "--config.style.layers=relu1_1,relu4_1"]
    message = r"weights \(=\S*\.pth\) end at relu3_1; choose config\.style\.layers up to there"
    check_answer(*attempt(command_line(tmp_path, words)), message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("folder", ["/dev/full", "/dev/full/run", "/proc/run", "/proc/a/run"])
def test_a_folder_that_cannot_be_written_is_answered(attempt, tmp_path, pictures, folder):
    words = command_line(tmp_path, [f"--workdir={folder}"])
    check_answer(*attempt(words), rf"{folder}\S* (is a file|cannot be (written|read))")


def test_a_folder_with_too_long_a_name_is_answered(attempt, tmp_path, pictures):
    words = command_line(tmp_path, [f"--workdir={tmp_path}/{'a' * 300}"])
    check_answer(*attempt(words), r"--workdir \(=\S*a\) cannot be read: File name too long")


def test_a_full_disk_is_answered(attempt, tmp_path, pictures, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    message = r"cannot be written: No space left on device"
    check_answer(*attempt(command_line(tmp_path, [])), message)
    assert not list((tmp_path / "run").iterdir())


@pytest.fixture
def stopped(tmp_path, pictures):
    """The folder of a run that stopped after its second step."""
    settings = json.loads(own_config(tmp_path))
    with record.Record(tmp_path / "run", settings, {"experiment": "learn_style"}) as run:
        for step in (1, 2):
            line = {"picture": 0, "stage": 0, "stage_step": step, "loss": 1.0, "values": {}}
            run.step(step, line)
            run.checkpoint(step, 0, Position(0, step, [np.ones(5, np.float32)]))
    return tmp_path / "run"


def empty_checkpoints(folder):
    for path in (folder / "checkpoints").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def drop_leaves(folder):
    for number in "12":
        shutil.rmtree(folder / "checkpoints" / number / "leaves")


def break_metrics(folder):
    first, second = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text(f"{first[:9]}}}\n{second}\n")


@pytest.mark.parametrize("damage", [empty_checkpoints, drop_leaves, break_metrics])
def test_a_stopped_run_that_is_damaged_is_refused(attempt, tmp_path, stopped, damage):
    damage(stopped)
    message = r"run holds a run that is damaged \(\w+\); name a new folder"
    check_answer(*attempt(command_line(tmp_path, [])), message)
