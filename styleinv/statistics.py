"""What two styles are compared by: every statistic is an embedding of the moments.

    embed(moments) -> tuple of arrays;  distance = sum of squared differences of those arrays

All statistics come from the same mean and second moment, so the choice is made after the pass over
the data. A statistic that is linear in the moments also knows its spread: the weighted sum of the
images' own distances from their mixture, the constant by which the per-image sum of the literature
exceeds the distance to the mixture.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from styleinv.style import Array, Moments, shifted

_EPSILON = 1e-6  # keeps square roots differentiable where a channel never fires


class Statistic(NamedTuple):
    """A way of comparing moments.

    Attributes:
        embed: Moments -> arrays whose squared Euclidean distance is the loss.
        spread: Moments -> f[], the per-image sum less the distance to the mixture; None where the
            embedding is not linear and the target is the statistic of the mixture.
        source: where the formula stands.
    """

    embed: Callable[[Moments], tuple[Array, ...]]
    spread: Callable[[Moments], Array] | None
    source: str


def _correlation(m: Moments) -> tuple[Array, ...]:
    gain = jax.lax.rsqrt(jnp.diagonal(m.second) + _EPSILON)
    return (m.second * gain[:, None] * gain[None, :],)


def _mean_covariance(m: Moments) -> tuple[Array, ...]:
    return m.mean, m.second - m.mean[:, None] * m.mean[None, :]


def _batch_norm(m: Moments) -> tuple[Array, ...]:
    variance = jnp.diagonal(m.second) - m.mean**2
    scale = m.mean.shape[0] ** -0.5
    return scale * m.mean, scale * jnp.sqrt(jax.nn.relu(variance) + _EPSILON)


STATISTICS = {
    "gram": Statistic(
        lambda m: (m.second,),
        lambda m: m.spread.gram,
        "Gatys et al. 2016, equations 3 to 5",
    ),
    "shifted_gram": Statistic(
        lambda m: (shifted(m.mean, m.second),),
        lambda m: m.spread.shifted_gram,
        "Novak & Nikulin 2016, section 3.2",
    ),
    "correlation": Statistic(_correlation, None, "second moments scaled to a unit diagonal"),
    "mean_covariance": Statistic(_mean_covariance, None, "mean and covariance, compared apart"),
    "batch_norm": Statistic(_batch_norm, None, "Li et al. 2017, equation 16"),
    "mmd_linear": Statistic(
        lambda m: (m.mean,), lambda m: m.spread.mean, "Li et al. 2017, linear kernel"
    ),
    "mmd_polynomial": Statistic(
        lambda m: (m.second, 2**0.5 * m.mean),
        lambda m: m.spread.gram + 2 * m.spread.mean,
        "Li et al. 2017, kernel (x.y + 1)^2",
    ),
}


def distance(a: tuple[Array, ...], b: tuple[Array, ...]) -> Array:
    """f[]: the squared Euclidean distance of two embeddings."""
    return sum(((x - y) ** 2).sum() for x, y in zip(a, b, strict=True))


def square(embedding: tuple[Array, ...]) -> Array:
    """f[]: the squared norm of an embedding."""
    return sum((x**2).sum() for x in embedding)
