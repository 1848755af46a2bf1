"""The loop: any solver, one compiled step, results by `yield`.

    loss(params, problem) -> (f32[], {name: f32[]})
    solver.init(params, values) -> state        # values: the terms, to shape the state by
    solver.step(evaluate, params, state) -> (params, state, value, values)

`problem` is an argument all the way down, so that other targets, weights or networks of the same
shapes run through the compiled step as it is.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from styleinv.compiler_options import FAST, FRUGAL

SOLVERS = ("lbfgs", "adam")
Loss = Callable[[jax.Array, Any], tuple[jax.Array, dict[str, jax.Array]]]
Evaluate = Callable[[jax.Array], tuple[tuple[jax.Array, dict[str, jax.Array]], jax.Array]]
Step = Callable[..., tuple]  # as `take_step`


class Solver(Protocol):
    """An optimizer; hashable, since the step is compiled for it."""

    def init(self, params: jax.Array, values: dict[str, jax.Array]) -> Any: ...

    def step(self, evaluate: Evaluate, params: jax.Array, state: Any) -> tuple: ...


class Adam(NamedTuple):
    """Adam (Kingma & Ba 2015) with a cosine decay over the steps of the stage."""

    learning_rate: float = 0.05
    steps: int = 500

    def _transform(self):
        return optax.adam(optax.cosine_decay_schedule(self.learning_rate, self.steps))

    def init(self, params, values):
        return self._transform().init(params)

    def step(self, evaluate, params, state):
        (value, values), gradient = evaluate(params)
        updates, state = self._transform().update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value, values


class Snapshot(NamedTuple):
    """Where the loop stands after a step.

    Attributes:
        step: steps done; the first is 1.
        params: the parameters after the step.
        state: the solver's.
        loss: the value that the solver saw last.
        values: the terms of that value, by name.
        ahead: how many steps later params and state are: what lies inside a dispatch is not kept.
    """

    step: int
    params: jax.Array
    state: Any
    loss: float
    values: dict[str, float]
    ahead: int = 0


@partial(jax.jit, static_argnames="loss")
def _evaluate(loss, params, problem):
    return jax.value_and_grad(loss, has_aux=True)(params, problem)


def shapes_of(loss: Loss, params: jax.Array, problem: Any) -> tuple[Any, dict[str, Any]]:
    """The shapes of loss and terms. Tracing takes half a second; a step finds it done."""
    with jax.default_matmul_precision("highest"):  # as in a step
        return jax.eval_shape(partial(_evaluate, loss), params, problem=problem)[0]


def take_step(loss: Loss, solver: Solver, params: jax.Array, state: Any, problem: Any) -> tuple:
    """(params, state, value, values) after a step, see the top of this file."""
    # On accelerators the products of float32 matrices are rounded by default, a solver's too.
    with jax.default_matmul_precision("highest"):
        return solver.step(partial(_evaluate, loss, problem=problem), params, state)


def take_steps(
    loss: Loss,
    solver: Solver,
    most: int,
    params: jax.Array,
    state: Any,
    problem: Any,
    count: jax.Array,
) -> tuple:
    """`count` steps, at most `most`: (params, state, f32[most], {name: f32[most]})."""

    def take(i, carry):
        params, state, kept = carry
        params, state, *found = take_step(loss, solver, params, state, problem)
        return params, state, jax.tree.map(lambda rows, x: rows.at[i].set(x), kept, found)

    shapes = list(shapes_of(loss, params, problem))
    kept = jax.tree.map(lambda x: jnp.zeros((most, *x.shape), x.dtype), shapes)
    params, state, (value, values) = jax.lax.fori_loop(0, count, take, (params, state, kept))
    return params, state, value, values


_compiled = partial(
    jax.jit, static_argnames=("loss", "solver"), donate_argnames=("state",)
)  # the state is the largest array by far
_step, _frugal_step = (_compiled(take_step, compiler_options=o) for o in (FAST, FRUGAL))
_chunk = partial(
    jax.jit, static_argnames=("loss", "solver", "most"), donate_argnames=("params", "state")
)
_steps, _frugal_steps = (_chunk(take_steps, compiler_options=o) for o in (FAST, FRUGAL))


def minimize(
    loss: Loss,
    params: jax.Array,
    problem: Any,
    solver: Solver,
    steps: int,
    *,
    frugal: bool = False,
    at_once: int = 1,
    halts: Callable[[int], bool] = lambda step: False,
    step: Step | None = None,
    resume: tuple[int, Any] | None = None,
) -> Iterator[Snapshot]:
    """Yields every step; what is yielded, if not ahead of it, is all that is needed to go on.

    Args:
        loss: a hashable function, `loss(params, problem) -> (f32[], {name: f32[]})`.
        params: where to start.
        problem: a pytree; passed to the loss, never closed over.
        solver: see `Solver`.
        steps: the number of steps in all.
        frugal: compile for little memory instead of speed.
        at_once: steps at most in one dispatch, after which the host reads their values; more than
            one uses the memory of `params` again. An accelerator then need not wait for the host.
        halts: steps done -> whether a dispatch has to end there.
        step: takes the steps in place of `take_step` compiled here, one at a time; it may donate
            the state.
        resume: (step, state) of the snapshot that `params` came from.

    Raises:
        FloatingPointError: at the first loss that is not finite, naming the step.
    """
    if resume is None:
        _, shapes = shapes_of(loss, params, problem)
        values = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        resume = 0, solver.init(params, values)
    done, state = resume
    one = step or (_frugal_step if frugal else _step)
    several = _frugal_steps if frugal else _steps
    while done < steps:
        if step or at_once == 1:
            count = 1
            params, state, *found = one(loss, solver, params, state, problem)
        else:
            ends = (n for n in range(done + 1, done + at_once) if n == steps or halts(n))
            count = next(ends, done + at_once) - done
            params, state, *found = several(loss, solver, at_once, params, state, problem, count)
        found = jax.tree.map(np.atleast_1d, jax.device_get(found))
        for i in range(count):
            value, values = jax.tree.map(lambda x, i=i: float(x[i]), found)
            done += 1
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss became {value} at step {done}")
            yield Snapshot(done, params, state, value, values, count - 1 - i)
