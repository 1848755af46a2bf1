"""What is compared: rows that differ from the default, which is the config's, in a thing or two."""

from collections.abc import Callable
from typing import NamedTuple

from experiments import cli
from scripts.studies.solvers import Adam, StrongWolfe
from styleinv.config import Config
from styleinv.lbfgs import LBFGS
from styleinv.minimize import Solver


class Variant(NamedTuple):
    """A way to optimize.

    Attributes:
        parameters: a key of `representations.PARAMETERS`.
        solver: steps of the stage -> solver.
        coarse: steps of the stages before the last, each at half the resolution of the next.
        carried: whether curvature pairs go on to the next stage; with L-BFGS on pixels or waves.
        weights: the layer weights that are optimized; "" takes the config's.
    """

    name: str
    parameters: str
    solver: Callable[[int], Solver]
    coarse: tuple[int, ...]
    carried: bool = False
    weights: str = ""


def _lbfgs(memory: int) -> Callable[[int], Solver]:
    return lambda steps: LBFGS(memory)


def _adam(rate: float, *, decays: bool) -> Callable[[int], Solver]:
    return lambda steps: Adam(rate, decays, steps)


def _default(config: Config) -> Variant:
    optimizer = config.optimizer
    return Variant(
        "default", optimizer.parameters, _lbfgs(optimizer.memory), tuple(config.steps[:-1])
    )


def _learn(config: Config) -> tuple[Variant, ...]:
    """From noise."""
    default, optimizer = _default(config), config.optimizer
    rate, memory, to = optimizer.learning_rate, optimizer.memory, default._replace
    return (
        default,
        to(name="memory 10", solver=_lbfgs(10)),
        to(name="memory 50", solver=_lbfgs(50)),
        to(name="half the coarse steps", coarse=tuple(n // 2 for n in default.coarse)),
        to(name="half the last coarse", coarse=(*default.coarse[:-1], default.coarse[-1] // 2)),
        to(name="three coarse stages", coarse=(*default.coarse, default.coarse[-1])),
        to(name="no coarse stage", coarse=()),
        to(name="waves", parameters="waves"),
        to(name="sigmoids", parameters="sigmoid pixels"),
        to(name="Adam cosine", solver=_adam(rate, decays=True)),
        to(name="Adam constant", solver=_adam(rate, decays=False)),
        to(name="strong Wolfe", solver=lambda steps: StrongWolfe(memory)),
        to(name="decorrelated colors", parameters="decorrelated pixels"),
        to(name="pyramid", parameters="pyramid"),
        to(name="carried pairs", carried=True),
        to(name="normalized layers", weights="normalized"),
    )


def _transfer(config: Config) -> tuple[Variant, ...]:
    """From a photograph."""
    default, optimizer = _default(config), config.optimizer
    rate, memory, to = optimizer.learning_rate, optimizer.memory, default._replace
    return (
        default,
        to(name="pixels", parameters="pixels"),
        to(name="sigmoids", parameters="sigmoid waves"),
        to(name="memory 50", solver=_lbfgs(50)),
        to(name="no coarse stage", coarse=()),
        to(name="twice the coarse steps", coarse=tuple(2 * n for n in default.coarse)),
        to(name="two coarse stages", coarse=(*default.coarse, *default.coarse)),
        to(name="Adam cosine", solver=_adam(rate, decays=True)),
        to(name="pixels, Adam cosine", parameters="pixels", solver=_adam(rate, decays=True)),
        to(name="strong Wolfe", solver=lambda steps: StrongWolfe(memory)),
        to(name="decorrelated colors", parameters="decorrelated waves"),
        to(name="carried pairs", carried=True),
    )


def of(what: str) -> tuple[Config, tuple[Variant, ...]]:
    """The config of `learn` or `transfer`, and its variants."""
    name, rows = {"learn": ("anime", _learn), "transfer": ("transfer", _transfer)}[what]
    config = cli.config_by_name(name)
    return config, rows(config)
