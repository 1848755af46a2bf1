"""L-BFGS: from values and gradients alone to a step that knows the curvature of the last ones."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class LBFGSState(NamedTuple):
    """Curvature pairs are moves and turns, differences of params and of gradients.

    The newest is at `(count - 1) % memory`. Of their inner products rows and columns are in order,
    those of the newest pair last. Where the inverse has no pair yet it is zero, and so nothing else
    of that place counts.
    """

    count: jax.Array  # i32[], pairs seen
    started: jax.Array  # bool[], whether value and gradient are those of params
    value: jax.Array
    values: dict[str, jax.Array]
    gradient: jax.Array  # f32[n]
    pairs: jax.Array  # f32[2 * memory, n], a row for a move and one for its turn
    inverse: jax.Array  # f32[memory, memory], of moves @ turns.T where the turn is not older
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
            pair, which is that of the stiffest directions (a heuristic).
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
            jnp.zeros((2 * m, n)),
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
            # Where the slope is unknown, no step could be the next.
            value = jnp.where(jnp.isfinite(gradient).all(), value, jnp.nan)
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
            inverse=stay(state.inverse, 0.0),
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

        R^-1 itself is kept: a new pair adds a column to R, and that adds one to its inverse.
        """
        inverse, squared, diagonal = state.inverse, state.squared, jnp.diagonal(state.inverse)
        curved = self.reach / (diagonal[-1] * squared[-1, -1])
        scale = jnp.where(state.count > 0, curved, 1.0)
        along, turned = _times(state.pairs, state.gradient, state.count)

        u = (inverse * along[None]).sum(1)
        right = jnp.where(diagonal > 0, u / diagonal, 0.0)
        right += scale * ((squared * u[None]).sum(1) - turned)
        v = (inverse * right[:, None]).sum(0)
        weights = jnp.roll(jnp.stack([v, -scale * u], axis=1), state.count, axis=0)
        return scale * state.gradient + weights.reshape(-1) @ state.pairs

    def _remember(self, state: LBFGSState, move: jax.Array, turn: jax.Array) -> LBFGSState:
        # Rounding alone makes a curvature this small next to the lengths.
        least = 1e-6 * jnp.linalg.norm(move) * jnp.linalg.norm(turn)
        keep = state.started & (move @ turn > least)
        i = 2 * (state.count % self.memory)
        # Not `at[i].set` and the like, which look at bounds and take as long again to compile.
        pair = jnp.where(keep, jnp.stack([move, turn]), lax.dynamic_slice_in_dim(state.pairs, i, 2))
        pairs = lax.dynamic_update_slice_in_dim(state.pairs, pair, i, 0)
        count = state.count + keep
        with_moves, with_turns = _times(pairs, turn, count)

        def extend(products, row, column):
            """By the newest pair's row, without its last, and column; the oldest pair's go."""
            rows = jnp.concatenate([products[1:, 1:], row[None]])
            extended = jnp.concatenate([rows, column[:, None]], axis=1)
            return jnp.where(keep, extended, products)

        # [[R, r], [0, d]] has the inverse [[R^-1, -R^-1 r / d], [0, 1 / d]].
        above = (state.inverse[1:, 1:] * with_moves[None, :-1]).sum(1)
        column = jnp.append(above, -1.0) / -with_moves[-1]
        return state._replace(
            count=count,
            pairs=pairs,
            inverse=extend(state.inverse, jnp.zeros(self.memory - 1), column),
            squared=extend(state.squared, with_turns[:-1], with_turns),
        )


def _times(pairs: jax.Array, vector: jax.Array, count: jax.Array) -> tuple[jax.Array, jax.Array]:
    """f32[memory] each: moves and turns times f32[n], those of the newest pair last."""
    products = (pairs @ vector).reshape(-1, 2)
    moves, turns = jnp.roll(products, -count, axis=0).T
    return moves, turns
