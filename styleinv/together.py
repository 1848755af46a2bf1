"""Several runs at once, their steps as one: runs in threads meet at each step.

On an accelerator a step of one small image leaves most of the device idle. Runs whose steps have
the same shapes take them as a batch; nothing else of a run knows of the others.
"""

import threading
from collections.abc import Hashable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from styleinv.compiler_options import FAST
from styleinv.minimize import take_step


class _Request(NamedTuple):
    """The arguments of a step."""

    loss: Hashable
    solver: Hashable
    params: jax.Array
    state: Any
    problem: tuple[Any, Any]  # what all share, and what is each one's own


@partial(
    jax.jit, static_argnames=("loss", "solver"), donate_argnames=("states",), compiler_options=FAST
)
def _batch(loss, solver, params, states, shared, own):
    def stack(trees):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)

    each = jax.vmap(partial(take_step, loss, solver), in_axes=(0, 0, (None, 0)))
    together = each(stack(params), stack(states), (shared, stack(own)))
    return [jax.tree.map(lambda leaf, i=i: leaf[i], together) for i in range(len(params))]


class Together:
    """Where so many threads meet.

    Each calls `step` as it would `minimize.take_step`, until it calls `leave`. A step is taken when
    all who have not left are waiting for one.
    """

    def __init__(self, size: int):
        self._size = size
        self._met = threading.Condition()
        self._waiting: list[_Request] = []
        self._answers: dict[int, Any] = {}

    def leave(self) -> None:
        """The calling thread takes no more steps."""
        with self._met:
            self._size -= 1
            self._answer_if_all_wait()

    def step(self, loss: Hashable, solver: Hashable, params, state, problem):
        """See `minimize.take_step`; waits for the others. The state is donated."""
        request = _Request(loss, solver, params, state, problem)
        with self._met:
            self._waiting.append(request)
            self._answer_if_all_wait()
            self._met.wait_for(lambda: id(request) in self._answers)
            answer = self._answers.pop(id(request))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _answer_if_all_wait(self) -> None:
        if not self._waiting or len(self._waiting) < self._size:
            return
        for group in _alike(self._waiting):
            try:
                answers = _batch(
                    group[0].loss,
                    group[0].solver,
                    [request.params for request in group],
                    [request.state for request in group],
                    group[0].problem[0],
                    [request.problem[1] for request in group],
                )
            except Exception as error:
                answers = [error] * len(group)
            for request, answer in zip(group, answers, strict=True):
                self._answers[id(request)] = answer
        self._waiting.clear()
        self._met.notify_all()


def _alike(requests: list[_Request]) -> list[list[_Request]]:
    """Those that can be one batch: the same functions, the same shared part, equal shapes."""
    groups: dict[Hashable, list[_Request]] = {}
    for request in requests:
        leaves, structure = jax.tree.flatten((request.params, request.state, request.problem[1]))
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        kind = request.loss, request.solver, id(request.problem[0]), structure, shapes
        groups.setdefault(kind, []).append(request)
    return list(groups.values())
