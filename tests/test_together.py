"""Runs in threads whose steps are taken as one: the same as one by one, whatever happens to one."""

from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import pytest

from styleinv.lbfgs import LBFGS
from styleinv.minimize import minimize
from styleinv.objective import Objective, TotalVariationTerm, style_term
from styleinv.parameters import PARAMETERS
from styleinv.style import measure
from styleinv.synthesize import ImageLoss
from styleinv.together import Together, _batch

LAYERS = ("relu1_1", "relu2_1")
PIXELS = PARAMETERS["pixels"]
LOSS = ImageLoss(PIXELS.decode)


@pytest.fixture
def problem_of(shallow, painting):
    """A function: number of a painting -> (network, objective) that pulls towards its style."""

    def problem(number, weight=1.0):
        style = measure(shallow, painting(number, 40, 56), LAYERS, resolution=48)
        term = style_term(style, LAYERS, "gram", "fine", weight=weight)
        return shallow, Objective({"style": term, "tv": TotalVariationTerm(jnp.float32(0.3))})

    return problem


def start(seed, side=40):
    noise = np.random.default_rng(seed).uniform(0.4, 0.6, (side, side, 3))
    return PIXELS.init(jnp.asarray(noise, jnp.float32))


def run(params, problem, steps, step=None):
    return list(minimize(LOSS, params, problem, LBFGS(5), steps, step=step))


def together(jobs):
    """The snapshots of each job (params, problem, steps), or what it raised."""
    meeting = Together(len(jobs))

    def work(job):
        try:
            return run(*job, step=meeting.step)
        except FloatingPointError as error:
            return error
        finally:
            meeting.leave()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(work, jobs))


def test_together_is_what_each_would_be_alone(problem_of):
    """Other targets, other starts, one that leaves early, and one of another shape."""
    jobs = [
        (start(0), problem_of(1), 12),
        (start(1), problem_of(2), 12),
        (start(2), problem_of(3), 7),
        (start(3, side=48), problem_of(1), 12),
    ]
    for job, actual in zip(jobs, together(jobs), strict=True):
        desired = run(*job)
        assert [one.step for one in actual] == [one.step for one in desired]
        losses = [[one.loss for one in each] for each in (actual, desired)]
        np.testing.assert_allclose(*losses, rtol=1e-4)
        np.testing.assert_allclose(actual[-1].params, desired[-1].params, atol=2e-3)
        for name, value in desired[-1].values.items():
            assert actual[-1].values[name] == pytest.approx(value, rel=1e-3)


def test_equal_shapes_compile_once(problem_of):
    jobs = [(start(seed), problem_of(seed + 1), 2) for seed in range(2)]
    together(jobs)
    before = _batch._cache_size()
    together([(start(seed), problem_of(seed + 3), 2) for seed in range(2)])
    assert _batch._cache_size() == before


def test_one_that_fails_leaves_the_others_alone(problem_of):
    jobs = [(start(0), problem_of(1), 6), (start(1), problem_of(2, weight=np.inf), 6)]
    good, bad = together(jobs)
    assert isinstance(bad, FloatingPointError)
    losses = [[one.loss for one in each] for each in (good, run(*jobs[0]))]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_an_error_of_the_step_reaches_all_who_asked(shallow):
    meeting = Together(2)

    def work(_):
        try:
            meeting.step(LOSS, LBFGS(5), jnp.zeros((8, 8, 3)), None, (shallow, None))
        except AttributeError as error:
            return error
        finally:
            meeting.leave()

    with ThreadPoolExecutor(2) as pool:
        assert all(isinstance(one, AttributeError) for one in pool.map(work, range(2)))
