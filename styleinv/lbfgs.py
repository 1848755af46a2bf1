"""L-BFGS: from values and gradients alone to a step that knows the curvature of the last ones."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular


class LBFGSState(NamedTuple):
    """Curvature pairs are rows of two matrices, newest at `(count - 1) % memory`.

    Their inner products are in order, those of the newest pair last; of the last `count` alone.
    """

    count: jax.Array  # i32[], pairs seen
    started: jax.Array  # bool[], whether value and gradient are those of params
    value: jax.Array
    values: dict[str, jax.Array]
    gradient: jax.Array  # f32[n]
    moves: jax.Array  # f32[memory, n], differences of params
    turns: jax.Array  # f32[memory, n], differences of gradients
    crossed: jax.Array  # f32[memory, memory], moves @ turns.T, where the turn is not older
    squared: jax.Array  # f32[memory, memory], turns @ turns.T


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
        _, length, value, values, gradient = lax.while_loop(unfinished, attempt, search)
        # A search that never passed stays where it was, and forgets: the next is a plain descent.
        moved = ~state.started | (value <= state.value)
        stay = partial(jnp.where, moved)
        move = stay(length * direction, 0.0)
        value, gradient = stay(value, state.value), stay(gradient, state.gradient)
        values = jax.tree.map(stay, values, state.values)
        state = self._remember(state, move, gradient - state.gradient)
        state = state._replace(
            count=stay(state.count, 0),
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
        crossed, squared = state.crossed, state.squared
        held = self._held(state.count)
        # A place without a pair has a unit diagonal and nothing beside it, and takes no part.
        triangle = jnp.where(held[:, None] & held[None], jnp.triu(crossed), jnp.eye(self.memory))
        along = self._in_order(state.moves @ state.gradient, state.count)
        turned = self._in_order(state.turns @ state.gradient, state.count)
        scale = jnp.where(held[-1], self.reach * crossed[-1, -1] / squared[-1, -1], 1.0)

        u = solve_triangular(triangle, along)
        right = triangle.diagonal() * u + scale * (squared @ u - turned)
        v = solve_triangular(triangle, jnp.where(held, right, 0.0), trans=1)
        u, v = jnp.roll(u, state.count), jnp.roll(v, state.count)  # as moves and turns are
        return scale * (state.gradient - u @ state.turns) + v @ state.moves

    def _held(self, count: jax.Array) -> jax.Array:
        """pred[memory]: which places have a pair."""
        return jnp.arange(self.memory) >= self.memory - count

    def _in_order(self, rows: jax.Array, count: jax.Array) -> jax.Array:
        """f32[memory] of the matrices' rows, oldest pair first; zero where there is none."""
        return jnp.where(self._held(count), jnp.roll(rows, -count), 0.0)

    def _remember(self, state: LBFGSState, move: jax.Array, turn: jax.Array) -> LBFGSState:
        # Rounding alone makes a curvature this small next to the lengths.
        least = 1e-6 * jnp.linalg.norm(move) * jnp.linalg.norm(turn)
        keep = state.started & (move @ turn > least)
        i = state.count % self.memory

        # Not `at[i].set` and the like, which look at bounds and take as long again to compile.
        def put(matrix, row):
            row = jnp.where(keep, row, lax.dynamic_index_in_dim(matrix, i, keepdims=False))
            return lax.dynamic_update_index_in_dim(matrix, row, i, 0)

        def extend(products, row, column):
            """By the newest pair's row and column; the oldest pair's go."""
            rows = jnp.concatenate([products[1:, 1:], row[None, :-1]])
            return jnp.concatenate([rows, column[:, None]], axis=1)

        moves, turns = put(state.moves, move), put(state.turns, turn)
        count = state.count + keep
        with_moves = self._in_order(moves @ turn, count)
        with_turns = self._in_order(turns @ turn, count)
        crossed = extend(state.crossed, jnp.zeros(self.memory), with_moves)
        squared = extend(state.squared, with_turns, with_turns)
        return state._replace(
            count=count,
            moves=moves,
            turns=turns,
            crossed=jnp.where(keep, crossed, state.crossed),
            squared=jnp.where(keep, squared, state.squared),
        )
