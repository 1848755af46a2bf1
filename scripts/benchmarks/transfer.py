"""Time to the losses that the PyTorch program pastiche has after so many of its steps.

Both start from the content, with the same objective (pastiche's defaults), the same resized
pictures and as many threads; ours has the stages and the optimizer of the config `pastiche`.
Everything after the imports counts: weights, features of the targets, and compilation out of a
warm cache (a first run of ours, which is not counted, has filled it). The start-up is what comes
before the first step.
"""

import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from PIL import Image

from experiments import cli
from scripts.benchmarks import ours
from scripts.benchmarks.program import Program, alone, require
from scripts.benchmarks.race import Run, check, row
from styleinv.content import content_term
from styleinv.errors import InputError
from styleinv.lbfgs import LBFGS
from styleinv.objective import Objective, style_term
from styleinv.parameters import PARAMETERS
from styleinv.strips import extract
from styleinv.style import measure
from styleinv.synthesize import Stage, synthesize
from styleinv.vgg import VGG

_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


class Pastiche:
    """The rival, with its defaults.

    Args:
        size: longest side in pixels, of the result and of the style.
    """

    def __init__(self, content: Path, style: Path, size: int):
        import pastiche.pastiche  # which imports torch

        self._module = pastiche.pastiche
        self._content, self._style, self._size = str(content), str(style), size

    def run(self, marks: Sequence[int]) -> tuple[float, dict[int, tuple[float, float]]]:
        """(seconds of start-up, {step: (seconds since the beginning, loss)})."""
        begun, found = time.perf_counter(), {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            styles: Any = [self._style]  # annotated as one name
            self._artist = self._module.PasticheArtist(
                self._content, styles, size=self._size, style_size=self._size, device="cpu"
            )
        start = time.perf_counter() - begun
        for step in range(1, max(marks) + 1):
            self._artist.draw()
            if step in marks:
                found[step] = time.perf_counter() - begun, self._artist.loss
        return start, found

    def loss(self, image: np.ndarray) -> float:
        """Of a picture f32[h, w, 3], by the program's own objective."""
        import torch

        bgr = torch.tensor(255 * image[..., ::-1].copy()) - torch.tensor(self._module.VGG_MEAN)
        self._artist.pastiche.data = bgr.permute(2, 0, 1)[None].contiguous()
        return self._artist._calc_loss().item()


class OurTransfer:
    """Ours; see the top of this file.

    Args:
        size: longest side in pixels, of the result and of the style.
    """

    def __init__(self, content: Path, style: Path, size: int):
        self._content, self._style, self._size = content, style, size

    def run(self, marks: Sequence[float]) -> Run:
        """Until the last of these falling losses."""
        begun, reached = time.perf_counter(), {}
        ours.set_up()
        self._network = ours.load_network(deepest="relu5_1", pooling="max", padding="zeros")
        config = cli.config_by_name("pastiche")
        last = len(config.steps) - 1
        stages = [Stage(self._size // 2 ** (last - i), n) for i, n in enumerate(config.steps)]
        stages[-1] = stages[-1]._replace(steps=10_000)
        frames = synthesize(
            self._problem_at,
            lambda size: _read(self._content, size),
            stages,
            PARAMETERS[config.optimizer.parameters],
            lambda steps: LBFGS(config.optimizer.memory),
            keep_details=True,
        )
        frame = next(frames)  # compiles, and only evaluates the start
        start = time.perf_counter() - begun
        for loss in marks:
            while frame.stage < last or frame.snapshot.loss > loss:
                frame = next(frames)
            reached[loss] = time.perf_counter() - begun, frame.step
        return Run(start, reached, frame.image, frame.snapshot.loss)

    def _problem_at(self, size: int) -> tuple[VGG, Objective]:
        content, style = _read(self._content, size), _read(self._style, size)
        held = extract(self._network, jnp.asarray(content), ("relu4_2",))
        measured = measure(self._network, style, _LAYERS, resolution=size)
        terms = {
            "content": content_term(held, "mean", 0.01),
            "style": style_term(measured, _LAYERS, "gram", "pastiche"),
        }
        return self._network, Objective(terms)


def _read(path: Path, size: int) -> np.ndarray:
    """f32[h, w, 3], resized as pastiche does: the longest side is the size."""
    with Image.open(path) as image:
        scale = size / max(image.size)
        shape = round(image.width * scale), round(image.height * scale)
        image = image.convert("RGB").resize(shape, Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32) / 255


def rows(content: Path, style: Path, size: int, marks: Sequence[int]) -> list[dict[str, Any]]:
    """A row for each of pastiche's steps."""
    require("torch", "pastiche")
    for path in (content, style):
        if not path.is_file():
            raise InputError(f"{path} does not exist; give a picture")
    marks, asked = sorted(set(marks)), (content, style, size)
    alone(f"{__name__}:OurTransfer", asked, "run", [math.inf])  # fills the compilation cache
    with Program(f"{__name__}:Pastiche", *asked) as theirs:
        rival_start, found = theirs("run", marks)
        losses = [found[mark][1] for mark in marks]
        print(f"pastiche's losses: {', '.join(f'{loss:.1f}' for loss in losses)}", flush=True)
        run: Run = alone(f"{__name__}:OurTransfer", asked, "run", losses)
        check(run, theirs("loss", run.image))
    return [
        {"resolution": size, "steps": mark} | row(run, rival_start, *found[mark]) for mark in marks
    ]
