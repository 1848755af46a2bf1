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
import optax

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
    """

    step: int
    params: jax.Array
    state: Any
    loss: float
    values: dict[str, float]


def take_step(loss: Loss, solver: Solver, params: jax.Array, state: Any, problem: Any) -> tuple:
    """(params, state, value, values) after a step, see the top of this file."""
    evaluate = partial(jax.value_and_grad(loss, has_aux=True), problem=problem)
    return solver.step(evaluate, params, state)


_compiled = partial(
    jax.jit, static_argnames=("loss", "solver"), donate_argnames=("state",)
)  # the state is the largest array by far
_step = _compiled(take_step)
# Orders the operations for little memory, not for much at a time; a few percent slower.
_frugal_step = _compiled(
    take_step,
    compiler_options={"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"},
)


def minimize(
    loss: Loss,
    params: jax.Array,
    problem: Any,
    solver: Solver,
    steps: int,
    *,
    frugal: bool = False,
    step: Step | None = None,
    resume: tuple[int, Any] | None = None,
) -> Iterator[Snapshot]:
    """Yields after every step; what is yielded is all that is needed to go on.

    Args:
        loss: a hashable function, `loss(params, problem) -> (f32[], {name: f32[]})`.
        params: where to start.
        problem: a pytree; passed to the loss, never closed over.
        solver: see `Solver`.
        steps: the number of steps in all.
        frugal: compile for little memory instead of speed.
        step: takes the steps in place of `take_step` compiled here; it may donate the state.
        resume: (step, state) of the snapshot that `params` came from.

    Raises:
        FloatingPointError: at the first loss that is not finite, naming the step.
    """
    if resume is None:
        shapes = jax.eval_shape(loss, params, problem)[1]
        values = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        resume = 0, solver.init(params, values)
    done, state = resume
    step = step or (_frugal_step if frugal else _step)
    for number in range(done + 1, steps + 1):
        params, state, value, values = step(loss, solver, params, state, problem)
        value = float(value)
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss became {value} at step {number}")
        values = {name: float(x) for name, x in jax.device_get(values).items()}
        yield Snapshot(number, params, state, value, values)
