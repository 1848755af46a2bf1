"""How long things take, always against a rival in the same run.

    python scripts/benchmark.py step --resolutions 128 256 --repeats 9
    python scripts/benchmark.py transfer --content photo.jpg --style painting.jpg --size 256

`step` is value and gradient of the Gram objective over all layers; the rival is the same network
with direct convolutions only. The two alternate, and medians and their ratio are printed, so that a
noisy machine disturbs both alike. `transfer` is the time to the losses that the PyTorch program
pastiche reaches after 100 and 300 of its steps, with its objective, from its start. With --json
FILE the rows are also written there.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from experiments import cli
from styleinv import compilation, files, memory, weights
from styleinv.errors import InputError
from styleinv.lbfgs import LBFGS
from styleinv.objective import Objective, content_term, style_term
from styleinv.parameters import PARAMETERS
from styleinv.style import measure
from styleinv.synthesize import Stage, synthesize
from styleinv.vgg import VGG, extract, layer_names

PASTICHE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@jax.jit
def value_and_gradient(image, network, objective):
    """The step without the solver: f32[], f32[h, w, 3]."""

    def loss(image):
        return objective(image, network(image, objective.layers))[0]

    return jax.value_and_grad(loss)(image)


def seconds(image, network, objective) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(value_and_gradient(image, network, objective))
    return time.perf_counter() - begin


def step(resolutions: list[int], repeats: int) -> list[dict]:
    """One row for each resolution."""
    loaded, layers = weights.load("default"), layer_names()
    networks = {
        kind: VGG(
            loaded.kernels, loaded.biases, loaded.matrix, loaded.offset, convolution=convolution
        )
        for kind, convolution in (("ours", "auto"), ("rival", "direct"))
    }
    rows = []
    for resolution in resolutions:
        generator = np.random.default_rng(0)
        target, image = (
            jnp.asarray(generator.random((resolution, resolution, 3)), jnp.float32)
            for _ in range(2)
        )
        style = measure(networks["rival"], target, layers, resolution=resolution)
        objective = Objective({"style": style_term(style, layers, "gram", "normalized")})
        first = {kind: seconds(image, network, objective) for kind, network in networks.items()}
        times = {kind: [] for kind in networks}
        for _ in range(repeats):
            for kind, network in networks.items():
                times[kind].append(seconds(image, network, objective))
        row = {"resolution": resolution}
        row |= {kind: statistics.median(found) for kind, found in times.items()}
        row |= {"ratio": row["ours"] / row["rival"], "compile": first["ours"] - row["ours"]}
        rows.append(row)
    return rows


def pastiche_problems(content: Path, style: Path) -> tuple[Callable, Callable]:
    """(start, problem_at) of pastiche's defaults; sizes are longest sides."""
    w = weights.load("default")
    network = VGG(
        w.kernels, w.biases, w.matrix, w.offset, deepest="relu5_1", pooling="max", padding="zeros"
    )

    def read(path, size):
        with Image.open(path) as image:
            scale = size / max(image.size)
            shape = round(image.width * scale), round(image.height * scale)
            image = image.convert("RGB").resize(shape, Image.Resampling.BILINEAR)
        return np.asarray(image, np.float32) / 255

    def start(size):
        return read(content, size)

    def problem_at(size):
        held = extract(network, jnp.asarray(start(size)), ("relu4_2",))
        measured = measure(network, read(style, size), PASTICHE_LAYERS, resolution=size)
        terms = {
            "content": content_term(held, "mean", 0.01),
            "style": style_term(measured, PASTICHE_LAYERS, "gram", "pastiche"),
        }
        return network, Objective(terms)

    return start, problem_at


def transfer(content: Path, style: Path, size: int, marks: list[int]) -> list[dict]:
    """Time to the losses that pastiche reaches after so many of its steps; a row for each.

    Both start from the content, with the same objective (pastiche's defaults), the same resized
    pictures and as many threads. What comes before the first step (weights, features of the
    targets, compilation) is counted apart; ours has the coarse stages of the config `pastiche`,
    whose compilation is counted with the steps.
    """
    import torch
    from pastiche.pastiche import VGG_MEAN, PasticheArtist

    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        styles: Any = [str(style)]  # annotated as one name
        artist = PasticheArtist(str(content), styles, size=size, style_size=size, device="cpu")
    start_up, rival, began = time.perf_counter() - begin, {}, time.perf_counter()
    for step in range(1, max(marks) + 1):
        artist.draw()
        if step in marks:
            rival[step] = artist.loss, time.perf_counter() - began

    begin = time.perf_counter()
    config = cli.config_by_name("pastiche")
    start, problem_at = pastiche_problems(content, style)
    last = len(config.steps) - 1
    stages = [Stage(size // 2 ** (last - i), n) for i, n in enumerate(config.steps)]
    stages[-1] = stages[-1]._replace(steps=10_000)
    frames = synthesize(
        problem_at,
        start,
        stages,
        PARAMETERS[config.optimizer.parameters],
        lambda steps: LBFGS(config.optimizer.memory),
        keep_details=True,
    )
    frame = next(frames)  # compiles, and only evaluates the start
    began, rows = time.perf_counter(), []
    for mark in sorted(marks):
        loss, seconds = rival[mark]
        while frame.stage < last or frame.snapshot.loss > loss:
            frame = next(frames)
        row = {"resolution": size, "steps": mark, "loss": loss, "ours": time.perf_counter() - began}
        row |= {"rival": seconds, "our steps": frame.step, "our start": began - begin}
        row |= {"rival start": start_up, "ratio": row["ours"] / seconds}
        row["ratio with start"] = (row["ours"] + row["our start"]) / (seconds + start_up)
        rows.append(row)
    bgr = torch.tensor(255 * frame.image[..., ::-1].copy()) - torch.tensor(VGG_MEAN)
    artist.pastiche.data = bgr.permute(2, 0, 1)[None].contiguous()
    rows[-1]["by rival"] = artist._calc_loss().item()
    return rows


COLUMNS = {  # of each subcommand's table: key, title, format
    "step": [
        ("resolution", "resolution", "d"),
        ("ours", "ours (s)", ".3f"),
        ("rival", "direct only (s)", ".3f"),
        ("ratio", "ratio", ".2f"),
        ("compile", "compilation of ours (s)", ".1f"),
    ],
    "transfer": [
        ("steps", "pastiche's steps", "d"),
        ("loss", "its loss", ".1f"),
        ("rival", "its time (s)", ".1f"),
        ("our steps", "our fine steps", "d"),
        ("ours", "our time (s)", ".1f"),
        ("ratio", "ratio", ".2f"),
        ("ratio with start", "with start-up", ".2f"),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("step")
    one.add_argument("--resolutions", type=int, nargs="+", default=[128, 256])
    one.add_argument("--repeats", type=int, default=9)
    two = commands.add_parser("transfer")
    root = Path(__file__).resolve().parents[1] / "data"
    two.add_argument("--content", type=Path, default=root / "photo" / "china.jpg")
    two.add_argument("--style", type=Path, default=root / "paintings" / "cafe_terrace.jpg")
    two.add_argument("--size", type=int, default=256, help="longest side in pixels")
    two.add_argument("--marks", type=int, nargs="+", default=[100, 300], help="pastiche's steps")
    for command in (one, two):
        command.add_argument("--json", type=Path, help="a file for the rows")
    arguments = vars(parser.parse_args())
    memory.keep_freed()
    compilation.keep_compiled()
    what, file = arguments.pop("what"), arguments.pop("json")
    try:
        rows = {"step": step, "transfer": transfer}[what](**arguments)
        columns = COLUMNS[what]
        print("  ".join(title for _, title, _ in columns))
        for row in rows:
            cells = (f"{format(row[key], kind):>{len(title)}}" for key, title, kind in columns)
            print("  ".join(cells))
        if "by rival" in rows[-1]:
            last = rows[-1]["by rival"]
            print(f"our last picture has, by pastiche's own objective, the loss {last:.1f}")
        if file:
            files.write(file, json.dumps(rows, indent=2).encode())
    except InputError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
