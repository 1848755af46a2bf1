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


class LBFGSState(NamedTuple):
    """Curvature pairs are rows of two matrices, newest at `(count - 1) % memory`."""

    count: jax.Array  # i32[], pairs seen
    started: jax.Array  # bool[], whether value and gradient are those of params
    value: jax.Array
    values: dict[str, jax.Array]
    gradient: jax.Array  # f32[n]
    moves: jax.Array  # f32[memory, n], differences of params
    turns: jax.Array  # f32[memory, n], differences of gradients
    inverse: jax.Array  # f32[memory], 1 / (move . turn), zero where there is no pair


class LBFGS(NamedTuple):
    """Limited-memory BFGS (Nocedal & Wright 2006, algorithms 7.4 and 7.5), one evaluation a step.

    Ours and not optax's because the terms of the objective come out of the line search with the
    value (optax would need one more evaluation for them), and because the objective is compiled
    once instead of three times. The line search is Armijo's with quadratic interpolation: the unit
    step nearly always passes, and a pair of negative curvature is left out of the memory instead of
    being searched away. The first step only evaluates the start.
    """

    memory: int = 20
    tries: int = 12

    def init(self, params, values):
        n = params.size
        return LBFGSState(
            jnp.zeros((), jnp.int32),
            jnp.zeros((), bool),
            jnp.zeros(()),
            values,
            jnp.zeros(n),
            jnp.zeros((self.memory, n)),
            jnp.zeros((self.memory, n)),
            jnp.zeros(self.memory),
        )

    def step(self, evaluate, params, state):
        direction = -self._times_inverse_hessian(state)
        slope = direction @ state.gradient
        start = params.reshape(-1)
        # Without curvature, the steepest descent moves each parameter by at most a tenth.
        first = jnp.where(state.count == 0, 0.1 / (jnp.abs(direction).max() + 1e-30), 1.0)

        def unfinished(search):
            tries, length, value, *_ = search
            enough = value <= state.value + 1e-4 * length * slope
            done = jnp.where(state.started, enough, jnp.isfinite(value))
            return (tries == 0) | (~done & (tries < self.tries))

        def attempt(search):
            tries, length, value, *_ = search
            # Minimum of the parabola through the value and slope here and the value tried last.
            parabola = -slope * length**2 / (2 * (value - state.value - slope * length))
            shorter = jnp.clip(jnp.nan_to_num(parabola), 0.1 * length, 0.5 * length)
            length = jnp.where(tries == 0, first, shorter)
            (value, values), gradient = evaluate((start + length * direction).reshape(params.shape))
            return tries + 1, length, value, values, gradient.reshape(-1)

        search = (jnp.zeros((), jnp.int32), first, state.value, state.values, state.gradient)
        _, length, value, values, gradient = jax.lax.while_loop(unfinished, attempt, search)
        # A search that never passed stays where it was, and forgets: the next is a plain descent.
        moved = ~state.started | (value <= state.value)
        stay = partial(jnp.where, moved)
        move = stay(length * direction, 0.0)
        value, gradient = stay(value, state.value), stay(gradient, state.gradient)
        values = jax.tree.map(stay, values, state.values)
        state = self._remember(state, move, gradient - state.gradient)
        state = state._replace(
            count=stay(state.count, 0),
            inverse=stay(state.inverse, jnp.zeros_like(state.inverse)),
            started=jnp.ones((), bool),
            value=value,
            values=values,
            gradient=gradient,
        )
        return (start + move).reshape(params.shape), state, value, values

    def _times_inverse_hessian(self, state: LBFGSState) -> jax.Array:
        newest = jnp.maximum(state.count - 1, 0) % self.memory

        def slot(age):
            return (newest - age) % self.memory

        def backward(age, carry):
            q, alphas = carry
            i = slot(age)
            alpha = state.inverse[i] * (state.moves[i] @ q)
            return q - alpha * state.turns[i], alphas.at[i].set(alpha)

        def forward(age, r):
            i = slot(self.memory - 1 - age)
            beta = state.inverse[i] * (state.turns[i] @ r)
            return r + (alphas[i] - beta) * state.moves[i]

        q, alphas = jax.lax.fori_loop(
            0, self.memory, backward, (state.gradient, jnp.zeros(self.memory))
        )
        turn, inverse = state.turns[newest], state.inverse[newest]
        scale = jnp.where(inverse > 0, 1 / (inverse * (turn @ turn) + 1e-30), 1.0)
        return jax.lax.fori_loop(0, self.memory, forward, scale * q)

    def _remember(self, state: LBFGSState, move: jax.Array, turn: jax.Array) -> LBFGSState:
        curvature = move @ turn
        keep = state.started & (curvature > 1e-10 * (turn @ turn))
        i = state.count % self.memory
        return state._replace(
            count=state.count + keep,
            moves=state.moves.at[i].set(jnp.where(keep, move, state.moves[i])),
            turns=state.turns.at[i].set(jnp.where(keep, turn, state.turns[i])),
            inverse=state.inverse.at[i].set(jnp.where(keep, 1 / curvature, state.inverse[i])),
        )


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


@partial(jax.jit, static_argnames=("loss", "solver"), donate_argnames=("state",))
def _step(loss, solver, params, state, problem):
    evaluate = partial(jax.value_and_grad(loss, has_aux=True), problem=problem)
    return solver.step(evaluate, params, state)


def minimize(
    loss: Loss,
    params: jax.Array,
    problem: Any,
    solver: Solver,
    steps: int,
    *,
    resume: tuple[int, Any] | None = None,
) -> Iterator[Snapshot]:
    """Yields after every step; what is yielded is all that is needed to go on.

    Args:
        loss: a hashable function, `loss(params, problem) -> (f32[], {name: f32[]})`.
        params: where to start.
        problem: a pytree; passed to the loss, never closed over.
        solver: see `Solver`.
        steps: the number of steps in all.
        resume: (step, state) of the snapshot that `params` came from.

    Raises:
        FloatingPointError: at the first loss that is not finite, naming the step.
    """
    if resume is None:
        shapes = jax.eval_shape(loss, params, problem)[1]
        values = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        resume = 0, solver.init(params, values)
    done, state = resume
    for step in range(done + 1, steps + 1):
        params, state, value, values = _step(loss, solver, params, state, problem)
        value = float(value)
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss became {value} at step {step}")
        values = {name: float(x) for name, x in jax.device_get(values).items()}
        yield Snapshot(step, params, state, value, values)
