"""Value and gradient of the 16-layer Gram objective, against PyTorch, turn by turn."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from scripts.benchmarks import ours
from scripts.benchmarks.program import Program, require
from scripts.benchmarks.race import AGREE, alternate, compare
from scripts.benchmarks.roofline import bytes_moved, operations, peaks
from scripts.many_pictures import pictures
from styleinv import dataset, precision
from styleinv.errors import InputError
from styleinv.style import measure
from styleinv.survey import survey
from styleinv.vgg import layer_names

_SEEN = 32  # pixels, at which very many pictures are measured: moments have the same shapes at all


class OurStep:
    """Ours, and ours with direct convolutions only.

    Args:
        target: f32[h, w, 3], the picture whose Gram matrices are aimed at.
        cold: compiles anew, whatever was compiled before.
    """

    def __init__(self, target: np.ndarray, convolution: str = "auto", cold: bool = True):
        ours.set_up(cold=cold)
        self._network = ours.load_network(convolution=convolution)
        style = measure(self._network, target, layer_names(), resolution=len(target))
        self._objective = ours.gram_objective(style)
        self._precision = precision.choose("auto", self.kind())
        self._step = partial(ours.value_and_gradient, precision=self._precision)

    def kind(self) -> str:
        """The kind of its device: cpu or gpu."""
        return jax.default_backend()

    def compile(self, image: np.ndarray) -> float:
        """Seconds from Python to a function that can run."""
        begun = time.perf_counter()
        problem = image, self._network, self._objective
        lowered = ours.value_and_gradient.lower(*problem, precision=self._precision)
        self._step = lowered.compile()
        return time.perf_counter() - begun

    def peaks(self) -> tuple[float, float]:
        """See `roofline.peaks`, in the precision of a step."""
        return peaks(self._precision)

    def evaluate(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss, and its gradient f32[h, w, 3], in full precision."""
        full = self._precision == precision.FLOAT32
        step = self._step if full else ours.value_and_gradient  # another compilation
        value, gradient = step(image, self._network, self._objective)
        return float(value), np.asarray(gradient)

    def seconds(self, image: np.ndarray) -> float:
        """That one step takes."""
        return _seconds(self._step, image, self._network, self._objective)


def _seconds(step: Callable[..., Any], image: np.ndarray, *problem: Any) -> float:
    there = jax.block_until_ready(jax.numpy.asarray(image))
    return ours.seconds(partial(step, there, *problem))


def rows(
    resolutions: Sequence[int], repeats: int, rival: str, references: Sequence[int] | None
) -> list[dict[str, Any]]:
    """One row for each resolution."""
    if references:
        return _by_references(resolutions, repeats, *references)
    if rival != "direct":
        require("torch")
    return [_against(rival, resolution, repeats) for resolution in resolutions]


def _against(rival: str, resolution: int, repeats: int) -> dict[str, Any]:
    target, image = ours.noise(resolution), ours.noise(resolution, 1)
    with Program(f"{__name__}:OurStep", target) as mine, _open(rival, target) as theirs:
        fast = mine("kind") == "cpu"
        if mine("kind") != theirs("kind"):
            raise InputError(
                f"ours runs on {mine('kind')} and the rival on {theirs('kind')}; install JAX and "
                "PyTorch for the same device, or set JAX_PLATFORMS=cpu or CUDA_VISIBLE_DEVICES="
            )
        compiling = mine("compile", image)
        _check(resolution, mine("evaluate", image), theirs("evaluate", image))
        first, second = alternate(
            1 + repeats, partial(mine, "seconds", image), partial(theirs, "seconds", image)
        )
        multiplied, copied = mine("peaks")
    row = {"resolution": resolution} | compare(first[1:], second[1:])
    done = operations(resolution, fast=fast)
    least = max(done / multiplied, bytes_moved(resolution) / copied)
    return row | {
        "against": rival,
        "compile": compiling,
        "rival_first": second[0],
        "gflops": operations(resolution) / row["ours"] / 1e9,
        "rival_gflops": operations(resolution) / row["rival"] / 1e9,
        "really_gflops": done / row["ours"] / 1e9,
        "peak_gflops": multiplied / 1e9,
        "gigabytes": bytes_moved(resolution) / row["ours"] / 1e9,
        "peak_gigabytes": copied / 1e9,
        "of_roofline": least / row["ours"],
    }


def _open(rival: str, target: np.ndarray) -> Program:
    if rival == "direct":
        return Program(f"{__name__}:OurStep", target, "direct", False)
    return Program("scripts.benchmarks.torch_rival:TorchStep", target, rival == "compile")


def _check(
    resolution: int, mine: tuple[float, np.ndarray], theirs: tuple[float, np.ndarray]
) -> None:
    """Raises an InputError where the two do not compute the same."""
    value = abs(mine[0] - theirs[0]) / theirs[0]
    away, wanted = mine[1] - theirs[1], theirs[1]
    whole = np.linalg.norm(away) / np.linalg.norm(wanted)
    # An activation within rounding of zero opens its ReLU here and not there, which moves the
    # gradient of all that it sees, by 1e-3 of the norm for a few: hence the median over pixels.
    typical = np.median(abs(away)) / np.median(abs(wanted))
    said = f"loss {value:.1e}, gradient {typical:.1e} (median; norm {whole:.1e})"
    print(f"{resolution} px, relative difference of ours and the rival: {said}", flush=True)
    if not (value < AGREE and typical < AGREE and whole < 100 * AGREE):
        raise InputError(
            f"ours and the rival differ by more than {AGREE} at {resolution} px: {said}; "
            "they must compute the same to be compared"
        )


def _by_references(
    resolutions: Sequence[int], repeats: int, few: int, many: int
) -> list[dict[str, Any]]:
    """The same step towards the style of few pictures (the rival) and of many (ours)."""
    ours.set_up()
    network, objectives = ours.load_network(), {}
    for name, count in (("ours", many), ("rival", few)):
        with pictures(count) as folder:
            items = dataset.shares(dataset.find(folder))
            styles = survey(network, items, layer_names(), [_SEEN])
        assert styles is not None
        objectives[name] = ours.gram_objective(styles["all"][_SEEN])
    result = []
    for resolution in resolutions:
        image = ours.noise(resolution, 1)
        step = partial(_seconds, ours.value_and_gradient, image, network)  # compiled once for both
        first, second = alternate(
            1 + repeats, partial(step, objectives["ours"]), partial(step, objectives["rival"])
        )
        row = {"resolution": resolution} | compare(first[1:], second[1:])
        result.append(row | {"references": [few, many]})
    return result
