"""L-BFGS: from values and gradients alone to a step that knows the curvature of the last ones."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular


class LBFGSState(NamedTuple):
    """Curvature pairs are rows of two matrices, newest at `(count - 1) % memory`."""

    count: jax.Array  # i32[], pairs seen
    started: jax.Array  # bool[], whether value and gradient are those of params
    value: jax.Array
    values: dict[str, jax.Array]
    gradient: jax.Array  # f32[n]
    moves: jax.Array  # f32[memory, n], differences of params
    turns: jax.Array  # f32[memory, n], differences of gradients
    crossed: jax.Array  # f32[memory, memory], moves @ turns.T; rows without a pair are zero
    squared: jax.Array  # f32[memory, memory], turns @ turns.T; likewise


class LBFGS(NamedTuple):
    """Limited-memory BFGS (Nocedal & Wright 2006, section 7.2), one evaluation a step.

    Ours and not optax's because the terms of the objective come out of the line search with the
    value (optax would need one more evaluation for them), because the objective is compiled once
    instead of three times, and because the product with the inverse Hessian is two passes over the
    memory instead of two loops. The line search is Armijo's with quadratic interpolation: the unit
    step nearly always passes, and a pair of negative curvature is left out of the memory instead of
    being searched away. The first step only evaluates the start. No constant has a unit: an
    objective or parameters a million times larger take the same path.

    Attributes:
        memory: the number of pairs kept.
        tries: evaluations at most in a step.
        reach: the curvature not seen yet is guessed this many times smaller than that of the newest
            pair, which is that of the stiffest directions (heuristic; docs/performance.md).
    """

    memory: int = 20
    tries: int = 12
    reach: float = 2.0

    def init(self, params, values):
        n, m = params.size, self.memory
        return LBFGSState(
            jnp.zeros((), jnp.int32),
            jnp.zeros((), bool),
            jnp.zeros(()),
            values,
            jnp.zeros(n),
            jnp.zeros((m, n)),
            jnp.zeros((m, n)),
            jnp.zeros((m, m)),
            jnp.zeros((m, m)),
        )

    def step(self, evaluate, params, state):
        direction = -self._times_inverse_hessian(state)
        slope = direction @ state.gradient
        start = params.reshape(-1)
        # Without curvature, the steepest descent moves each parameter by at most a tenth.
        size = jnp.abs(direction).max()
        first = jnp.where(state.count == 0, 0.1 / jnp.where(size > 0, size, 1.0), 1.0)

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
            crossed=stay(state.crossed, 0.0),
            squared=stay(state.squared, 0.0),
            started=jnp.ones((), bool),
            value=value,
            values=values,
            gradient=gradient,
        )
        return (start + move).reshape(params.shape), state, value, values

    def _times_inverse_hessian(self, state: LBFGSState) -> jax.Array:
        """Inverse Hessian times gradient, f32[n]: Byrd, Nocedal & Schnabel 1994, equation 3.13.

        With S and Y the moves and turns as columns, oldest first, D the diagonal and R the upper
        triangle of S'Y, and s the scale of the initial inverse Hessian:

            u = R^-1 S'g,    H g = s g + S R^-T (D u + s Y'Y u - s Y'g) - s Y u
        """
        newest = jnp.maximum(state.count - 1, 0) % self.memory
        oldest_first = (newest + 1 + jnp.arange(self.memory)) % self.memory
        crossed = state.crossed[oldest_first[:, None], oldest_first]
        squared = state.squared[oldest_first[:, None], oldest_first]
        held = jnp.diagonal(crossed) > 0
        # A slot without a pair has a unit diagonal and nothing beside it, and takes no part.
        triangle = jnp.triu(crossed) + jnp.diag(jnp.where(held, 0.0, 1.0))
        along = jnp.where(held, (state.moves @ state.gradient)[oldest_first], 0.0)
        turned = jnp.where(held, (state.turns @ state.gradient)[oldest_first], 0.0)
        scale = jnp.where(held[-1], self.reach * crossed[-1, -1] / squared[-1, -1], 1.0)

        u = solve_triangular(triangle, along)
        right = jnp.diagonal(crossed) * u + scale * (squared @ u - turned)
        v = solve_triangular(triangle, right, trans=1)
        back = (jnp.arange(self.memory) - newest - 1) % self.memory
        return scale * (state.gradient - u[back] @ state.turns) + v[back] @ state.moves

    def _remember(self, state: LBFGSState, move: jax.Array, turn: jax.Array) -> LBFGSState:
        # Rounding alone makes a curvature this small next to the lengths.
        least = 1e-6 * jnp.linalg.norm(move) * jnp.linalg.norm(turn)
        keep = state.started & (move @ turn > least)
        i = state.count % self.memory

        def put(matrix, row):
            return matrix.at[i].set(jnp.where(keep, row, matrix[i]))

        moves, turns = put(state.moves, move), put(state.turns, turn)
        held = jnp.diagonal(state.crossed) > 0
        held = held.at[i].set(held[i] | keep)
        crossed = jnp.where(held, moves @ turn, 0.0)  # f32[memory], with every move, itself last
        squared = jnp.where(held, turns @ turn, 0.0)
        return state._replace(
            count=state.count + keep,
            moves=moves,
            turns=turns,
            # Of moves @ turns.T only where the turn is not older is ever read: a new pair's row,
            # the turns before it, stays what it was.
            crossed=jnp.where(keep, state.crossed.at[:, i].set(crossed), state.crossed),
            squared=put(put(state.squared, squared).T, squared),
        )
