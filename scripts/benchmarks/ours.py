"""Our programs: the settings of a real run, the real network, its objective by default."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.compiler import compile_quickly
from styleinv import compilation, memory, weights
from styleinv.compiler_options import FAST
from styleinv.errors import InputError
from styleinv.objective import Objective, style_term
from styleinv.precision import FLOAT32, Precision
from styleinv.style import Style
from styleinv.vgg import VGG, layer_names


def set_up(*, cold: bool = False, keep_freed: bool = True) -> None:
    """As `experiments` begins; cold, without what was compiled before.

    Args:
        keep_freed: see `memory.keep_freed`; not with `rematerialize`, and not in a pass.
    """
    compile_quickly()
    if keep_freed:
        memory.keep_freed()
    if cold:
        jax.config.update("jax_enable_compilation_cache", False)
    else:
        compilation.keep_compiled()


def seconds(work: Callable[[], Any]) -> float:
    """That it takes until what it returns is there."""
    begun = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - begun


def demo(count: int) -> tuple[Path, ...]:
    """The first pictures of the demo dataset.

    Raises:
        InputError: if there are fewer.
    """
    paths = sorted((Path(__file__).resolve().parents[2] / "data" / "anime").glob("*.jpg"))
    if count > len(paths):
        raise InputError(f"--references (={count}) is more than the {len(paths)} in data/anime")
    return tuple(paths[:count])


def noise(resolution: int, seed: int = 0) -> np.ndarray:
    """f32[resolution, resolution, 3] in [0, 1]."""
    return np.random.default_rng(seed).random((resolution, resolution, 3), np.float32)


def load_network(**options: Any) -> VGG:
    """The real VGG19, all 16 layers unless the options of `VGG` say otherwise."""
    found = weights.load("default")
    return VGG(found.kernels, found.biases, found.matrix, found.offset, **options)


def gram_objective(style: Style) -> Objective:
    """The Gram matrices of all 16 layers, weighed as by default, and nothing else."""
    return Objective({"style": style_term(style, layer_names(), "gram", "fine")})


@partial(jax.jit, static_argnames="precision", compiler_options=FAST)
def value_and_gradient(
    image: jax.Array, network: VGG, objective: Objective, precision: Precision = FLOAT32
) -> tuple[jax.Array, jax.Array]:
    """The step without the solver: f32[], f32[h, w, 3]."""

    def loss(image):
        return objective(image, network(image, objective.layers, precision))[0]

    return jax.value_and_grad(loss)(jnp.asarray(image))
