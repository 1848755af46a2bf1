"""One large image on several devices: each keeps its rows of the image, and of all features.

XLA splits the program: a convolution fetches the rows beyond its own from the neighbors, and Gram
matrices are summed over the devices. What a device needs of memory falls with their number, all but
the network and the targets, which each has whole.
"""

import logging
import math
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from styleinv.compiler_options import FAST
from styleinv.minimize import take_step

LOG = logging.getLogger("styleinv")


class Rows:
    """Takes steps in the place of `minimize.take_step`, see there.

    Args:
        devices: jax.Devices. Used are as many as divide the rows evenly.
    """

    def __init__(self, devices: Sequence[Any]):
        self._devices = devices
        self._problem: Any = None  # the one that lies on the devices
        self._placed: Any = None

    def step(self, loss: Hashable, solver: Hashable, params: jax.Array, state: Any, problem: Any):
        """See `minimize.take_step`; the state is donated.

        Args:
            params: f32[h, w, ...], rows first.
        """
        mesh = Mesh(np.array(self._devices[: _evenly(params.shape[0], len(self._devices))]), "rows")
        if problem is not self._problem:
            self._say(params.shape[0], mesh.size)
            whole = NamedSharding(mesh, PartitionSpec())
            self._problem, self._placed = problem, jax.device_put(problem, whole)
        here = partial(_of_rows, mesh, params.shape)
        params, state = jax.device_put((params, state), jax.tree.map(here, (params, state)))
        with jax.set_mesh(mesh):  # so that all of it knows that arrays are cut
            return _step(loss, solver, mesh, params, state, self._placed)

    def _say(self, rows: int, used: int) -> None:
        if used < len(self._devices):
            LOG.warning(
                "%d rows go evenly to %d of %d devices: choose another config.resolution",
                rows,
                used,
                len(self._devices),
            )


def _evenly(rows: int, devices: int) -> int:
    return max(n for n in range(1, devices + 1) if rows % n == 0)


def _of_rows(mesh: Mesh, shape: tuple[int, ...], leaf: jax.Array) -> NamedSharding:
    """By rows what ends in the shape of the parameters, flat or not, as a solver's gradients do."""
    for ending in (shape, (math.prod(shape),)):
        before = leaf.ndim - len(ending)
        if before >= 0 and leaf.shape[before:] == ending:
            return NamedSharding(mesh, PartitionSpec(*[None] * before, "rows"))
    return NamedSharding(mesh, PartitionSpec())


@partial(
    jax.jit,
    static_argnames=("loss", "solver", "mesh"),
    donate_argnames=("state",),
    compiler_options=FAST,
)
def _step(loss, solver, mesh, params, state, problem):
    params, state, value, values = take_step(loss, solver, params, state, problem)
    here = partial(_of_rows, mesh, params.shape)
    kept = jax.lax.with_sharding_constraint((params, state), jax.tree.map(here, (params, state)))
    return *kept, value, values
