"""Solvers that are only studied, of the contract of `styleinv.minimize`.

They are dataclasses, since the step is compiled for its solver: named tuples of different classes
with the same values are equal, and would share one.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from styleinv.lbfgs import LBFGS, LBFGSState
from styleinv.minimize import Evaluate, Solver
from styleinv.parameters import weigh


@dataclass(frozen=True)
class Counted:
    """A solver whose values say besides how many evaluations the step took."""

    solver: Solver

    def init(self, params, values):
        return self.solver.init(params, values)

    def step(self, evaluate, params, state):
        count = jax.new_ref(jnp.zeros((), jnp.int32))  # what a loop inside the solver adds up in

        def counted(params):
            count[...] = count[...] + 1
            return evaluate(params)

        params, state, value, values = self.solver.step(counted, params, state)
        return params, state, value, values | {"evaluations": count[...]}


@dataclass(frozen=True)
class Adam:
    """Adam, at a constant rate or with a cosine decay; its loss is that before the step.

    Attributes:
        steps: of the decay; another number compiles nothing anew.
    """

    rate: float
    decays: bool
    steps: int = field(default=1, compare=False)

    def init(self, params, values):
        return optax.scale_by_adam().init(params), jnp.asarray(self.steps, jnp.float32)

    def step(self, evaluate, params, state):
        adam, steps = state
        share = (1 + jnp.cos(jnp.pi * jnp.minimum(adam.count / steps, 1))) / 2
        (value, values), gradient = evaluate(params)
        updates, adam = optax.scale_by_adam().update(gradient, adam)
        updates = optax.tree.scale(-self.rate * (share if self.decays else 1.0), updates)
        return optax.apply_updates(params, updates), (adam, steps), value, values


@dataclass(frozen=True)
class StrongWolfe:
    """optax's L-BFGS with its line search for the strong Wolfe conditions (zoom).

    Most of its steps evaluate more than once, and its first one evaluates the start too; there is
    one objective for each of the places where the search evaluates, and no terms come out of it.
    """

    memory: int

    def _transform(self):
        return optax.lbfgs(memory_size=self.memory)

    def init(self, params, values):
        # Copies, since the same array may not be donated twice.
        return jax.tree.map(jnp.array, self._transform().init(params))

    def step(self, evaluate, params, state):
        value_of = _differentiable(evaluate)
        value, gradient = optax.value_and_grad_from_state(value_of)(params, state=state)
        updates, state = self._transform().update(
            gradient, state, params, value=value, grad=gradient, value_fn=value_of
        )
        params = optax.apply_updates(params, updates)
        return params, state, optax.tree.get(state, "value"), {}


def _differentiable(evaluate: Evaluate):
    """params -> f32[], whose gradient is the one that comes with the value."""

    def forward(params):
        (value, _), gradient = evaluate(params)
        return value, gradient

    value_of = jax.custom_vjp(lambda params: forward(params)[0])
    value_of.defvjp(forward, lambda gradient, pull: (pull * gradient,))
    return value_of


class Earlier(NamedTuple):
    """Where the stage before ended.

    Attributes:
        shape: of its parameters, (h, w, 3).
    """

    state: LBFGSState
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Carried:
    """L-BFGS that starts with the curvature pairs of the stage before, resized.

    Attributes:
        exponent: of the weights of the frequencies: 0 of pixels, 1 of waves.
    """

    solver: LBFGS
    exponent: int
    earlier: Earlier | None = field(default=None, compare=False)

    def init(self, params, values):
        state = self.solver.init(params, values)
        if self.earlier is None:
            return state
        old, shape = self.earlier
        names = "count", "pairs", "inverse", "squared"
        found = _carry(old.count, old.pairs, shape, params.shape, self.exponent)
        return state._replace(**dict(zip(names, found, strict=True)))

    def step(self, evaluate, params, state):
        return self.solver.step(evaluate, params, state)


@partial(jax.jit, static_argnames=("old", "new", "exponent"))
def _carry(
    count: jax.Array,
    pairs: jax.Array,
    old: tuple[int, ...],
    new: tuple[int, ...],
    exponent: int,
) -> tuple[jax.Array, ...]:
    """(count, pairs, inverse, squared) of an `LBFGSState` in the new shape."""
    moves, turns = pairs[::2], pairs[1::2]
    memory = len(moves)
    # An image's values stay what they are; each pixel's share of a gradient falls as their number
    # grows. Waves are a linear map of pixels, W: a move is W times that of the pixels, a gradient
    # the inverse of W (which is its own transpose) times that with respect to the pixels.
    moves = _resize(moves, old, new, exponent)
    turns = _resize(turns, old, new, -exponent) * (old[0] * old[1] / (new[0] * new[1]))
    least = 1e-6 * jnp.linalg.norm(moves, axis=1) * jnp.linalg.norm(turns, axis=1)
    # Those that are still pairs come first, the oldest foremost.
    age = (jnp.arange(memory) - count) % memory
    held = (age >= memory - count) & ((moves * turns).sum(1) > least)
    order = jnp.argsort(jnp.where(held, age, age + memory))
    inside = jnp.arange(memory) < held.sum()

    def kept(rows: Any) -> jax.Array:
        return jnp.where(inside[:, None], rows[order], 0.0)

    moves, turns, count = kept(moves), kept(turns), held.sum()
    with jax.default_matmul_precision("highest"):
        crossed, squared = moves @ turns.T, turns @ turns.T
    both = inside[:, None] & inside[None]
    triangle = jnp.where(both, jnp.triu(crossed), jnp.eye(memory))
    inverse = jnp.where(both, jnp.linalg.inv(triangle), 0.0)
    newest_last = (jnp.roll(each, memory - count, (0, 1)) for each in (inverse, squared))
    pairs = jnp.stack([moves, turns], axis=1).reshape(2 * memory, -1)
    return count.astype(jnp.int32), pairs, *newest_last


def _resize(
    rows: jax.Array, old: tuple[int, ...], new: tuple[int, ...], exponent: int
) -> jax.Array:
    """f32[memory, old size] -> f32[memory, new size], resized as pixels are.

    Args:
        exponent: of the weights that the pixels had been given.
    """

    def enlarge(row):
        image = row.reshape(old)
        image = weigh(image, -exponent) if exponent else image
        image = jax.image.resize(image, new, "lanczos3")
        return (weigh(image, exponent) if exponent else image).reshape(-1)

    return jax.lax.map(enlarge, rows)  # one at a time: the memory of fifty is large as it is
