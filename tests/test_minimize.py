"""The loop and its solvers: against SciPy, optax and known minima."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from styleinv import style
from styleinv.lbfgs import LBFGS
from styleinv.minimize import Adam, _step, _steps, minimize
from styleinv.objective import Objective, style_term
from styleinv.parameters import PARAMETERS
from styleinv.statistics import STATISTICS
from styleinv.synthesize import ImageLoss
from styleinv.vgg import VGG


def quadratic(params, problem):
    """Curvatures and center are the problem."""
    curvatures, center = problem
    value = 0.5 * (curvatures * (params - center) ** 2).sum()
    return value, {"whole": value, "half": value / 2}


def rosenbrock(params, problem):
    x, y = params[:-1], params[1:]
    value = (problem * (y - x**2) ** 2 + (1 - x) ** 2).sum()
    return value, {"whole": value}


CURVATURES, CENTER = np.geomspace(1, 100, 10, dtype="f4"), np.linspace(-1, 1, 10, dtype="f4")
BOWL = CURVATURES, CENTER
VALLEY = np.float32(100)
START = np.tile(np.float32([-1.2, 1.0]), 5)  # of one size for most, which compile a step once
ONES = np.ones(10, np.float32)


def last(snapshots):
    snapshot = None
    for snapshot in snapshots:  # noqa: B007
        pass
    assert snapshot is not None
    return snapshot


def by_scipy(loss, start, problem, **options):
    """What SciPy's L-BFGS finds."""
    evaluate = jax.jit(jax.value_and_grad(lambda x: loss(x, problem)[0]))
    return scipy.optimize.minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options)


def test_lbfgs_finds_the_minimum_of_a_quadratic_as_fast_as_scipy():
    theirs = by_scipy(quadratic, 0 * ONES, BOWL, maxcor=5, gtol=1e-3)
    found = last(minimize(quadratic, 0 * ONES, BOWL, LBFGS(5), theirs.nfev + 5))
    np.testing.assert_allclose(found.params, CENTER, atol=1e-3)


@pytest.mark.parametrize("size", [2, 10])
def test_lbfgs_follows_rosenbrocks_valley_about_as_fast_as_scipy(size):
    evaluations = []

    def counted(params, problem):
        jax.debug.callback(lambda: evaluations.append(1))
        return rosenbrock(params, problem)

    theirs = by_scipy(rosenbrock, START[:size], VALLEY, maxcor=20, ftol=1e-9, gtol=1e-3)
    for snapshot in minimize(counted, START[:size], VALLEY, LBFGS(20), 300):
        if snapshot.loss < 1e-6:
            break
    jax.effects_barrier()
    assert snapshot.loss < 1e-6
    np.testing.assert_allclose(snapshot.params, 1, atol=5e-3)
    assert len(evaluations) < 1.5 * theirs.nfev + 10


def test_lbfgs_never_rises_and_reports_the_loss_of_what_it_yields():
    losses = []
    for snapshot in minimize(rosenbrock, START, VALLEY, LBFGS(5), 40):
        desired = rosenbrock(np.asarray(snapshot.params), VALLEY)[0]
        np.testing.assert_allclose(snapshot.loss, desired, rtol=1e-4, atol=1e-8)
        losses.append(snapshot.loss)
    assert np.all(np.diff(losses) <= 0)


def test_lbfgs_first_step_only_evaluates_the_start():
    first = next(minimize(quadratic, ONES, BOWL, LBFGS(5), 3))
    np.testing.assert_array_equal(first.params, ONES)
    np.testing.assert_allclose(first.loss, quadratic(ONES, BOWL)[0], rtol=1e-6)


def test_lbfgs_takes_memory_for_no_more_than_it_is_told():
    snapshot = last(minimize(rosenbrock, START, VALLEY, LBFGS(5), 20))
    assert snapshot.state.pairs.shape == (10, 10)


times_inverse_hessian = jax.jit(LBFGS(5)._times_inverse_hessian)


def test_lbfgs_forgets_and_goes_on_after_a_search_that_failed():
    start = last(minimize(rosenbrock, START, VALLEY, LBFGS(5), 10))
    params, loss, done = np.asarray(start.params), start.loss, start.step
    # An initial curvature of the wrong sign: the direction leads uphill, and no length passes.
    misled = LBFGS(5, reach=-1e6)
    resume = done, start.state
    failed = last(minimize(rosenbrock, start.params, VALLEY, misled, done + 1, resume=resume))
    np.testing.assert_array_equal(failed.params, params)
    assert failed.loss == loss
    assert failed.state.count == 0
    # Of what it knew, nothing comes back: the way down is along the gradient, then along new pairs.
    plain = times_inverse_hessian(failed.state)
    np.testing.assert_array_equal(plain, failed.state.gradient)
    resume = done + 1, failed.state
    few = last(minimize(rosenbrock, failed.params, VALLEY, LBFGS(5), done + 4, resume=resume))
    assert 0 < few.state.count < 5
    desired = two_loops(few.state, 5, 2.0)
    actual = times_inverse_hessian(few.state)
    np.testing.assert_allclose(actual, desired, atol=1e-3 * np.abs(desired).max())
    resume = few.step, few.state
    found = last(minimize(rosenbrock, few.params, VALLEY, LBFGS(5), done + 80, resume=resume))
    assert found.loss < 0.1 * loss


def test_lbfgs_leaves_out_a_pair_of_negative_curvature():
    """Between two minima the curvature is negative; the steps go on down all the same."""

    def double_well(params, problem):
        value = ((params**2 - problem) ** 2).sum()
        return value, {"whole": value}

    found = last(minimize(double_well, jnp.array([0.01, -0.02]), jnp.float32(1), LBFGS(5), 30))
    assert np.all(np.diagonal(found.state.inverse)[-int(found.state.count) :] > 0)
    np.testing.assert_allclose(found.params, [1, -1], atol=1e-3)


def test_lbfgs_steps_back_from_where_the_loss_is_not_finite():
    def fenced(params, problem):
        value = jnp.where(params < 0, jnp.nan, (params - problem) ** 2).sum()
        return value, {"whole": value}

    # The first descent is a tenth long, and ends behind the fence.
    found = last(minimize(fenced, jnp.array([0.06]), jnp.float32(0.03), LBFGS(5), 20))
    np.testing.assert_allclose(found.params, 0.03, atol=1e-4)


def test_lbfgs_steps_back_from_where_the_gradient_is_not_finite():
    def kinked(params, problem):  # below 0.01, a value like any other and no slope
        none = jnp.sqrt(jnp.maximum(params - 0.01, 0))
        value = ((params - problem) ** 2 + 1e-9 * none).sum()
        return value, {"whole": value}

    # The first descent is a tenth long, and ends there, nearer to the minimum than it began.
    found = last(minimize(kinked, jnp.array([0.1]), jnp.float32(0.03), LBFGS(5), 20))
    np.testing.assert_allclose(found.params, 0.03, atol=1e-4)
    with pytest.raises(FloatingPointError, match="the loss became nan at step 1"):
        next(minimize(kinked, jnp.zeros(1), jnp.float32(0.03), LBFGS(5), 20))


def test_adam_is_optax_with_a_cosine_decay():
    steps, rate = 12, 0.1
    transform = optax.adam(optax.cosine_decay_schedule(rate, steps))
    params, state = ONES, transform.init(ONES)

    @jax.jit
    def step(params, state):
        value, gradient = jax.value_and_grad(lambda x: quadratic(x, BOWL)[0])(params)
        updates, state = transform.update(gradient, state, params)
        return value, optax.apply_updates(params, updates), state

    for snapshot in minimize(quadratic, ONES, BOWL, Adam(rate, steps), steps):
        value, params, state = step(params, state)
        np.testing.assert_allclose(snapshot.loss, value, rtol=1e-5)
        np.testing.assert_allclose(snapshot.params, params, rtol=1e-5)
    assert snapshot.step == steps


def two_loops(state, memory, reach):
    """Nocedal & Wright 2006, algorithm 7.4, in float64."""
    g = np.float64(state.gradient)
    order = [i % memory for i in range(max(0, int(state.count) - memory), int(state.count))]
    pairs = [np.float64(state.pairs[2 * i : 2 * i + 2]) for i in order]
    q, alphas = g.copy(), []
    for move, turn in reversed(pairs):
        alphas.append(move @ q / (move @ turn))
        q -= alphas[-1] * turn
    move, turn = pairs[-1]
    q *= reach * (move @ turn) / (turn @ turn)
    for (move, turn), alpha in zip(pairs, reversed(alphas), strict=True):
        q += (alpha - turn @ q / (move @ turn)) * move
    return q


@pytest.mark.parametrize("steps", [2, 4, 6, 7, 9, 23])
def test_lbfgs_direction_is_that_of_the_two_loops(steps):
    """With a memory of five: before it is full, when it is, and after each kind of wrapping."""
    start = np.float32(np.random.default_rng(0).standard_normal(10))
    state = last(minimize(rosenbrock, start, VALLEY, LBFGS(5), steps)).state
    assert state.count >= min(steps - 1, 6)
    desired = two_loops(state, 5, LBFGS(5).reach)
    actual = times_inverse_hessian(state)
    np.testing.assert_allclose(actual, desired, atol=1e-3 * np.abs(desired).max())


def in_units(params, problem):
    """The valley, its loss and params so many times as large."""
    steepness, loss_scale, params_scale = problem
    value = loss_scale * rosenbrock(params / params_scale, steepness)[0]
    return value, {"whole": value}


def in_units_of(loss_scale, params_scale):
    """Params, where to resume from after three steps in the valley, and the problem, in units."""
    start = last(minimize(rosenbrock, 0 * ONES, VALLEY, LBFGS(5), 3))
    params, state = jax.device_get((start.params, start.state))
    state = state._replace(
        value=state.value * loss_scale,
        values={"whole": state.value * loss_scale},
        gradient=state.gradient * loss_scale / params_scale,
        pairs=state.pairs * np.float32([[params_scale], [loss_scale / params_scale]] * 5),
        inverse=state.inverse / loss_scale,
        squared=state.squared * (loss_scale / params_scale) ** 2,
    )
    problem = VALLEY, np.float32(loss_scale), np.float32(params_scale)
    return params * params_scale, (start.step, state), problem


@pytest.mark.parametrize("loss_scale", [2.0**-30, 1.0, 2.0**30])
@pytest.mark.parametrize("params_scale", [2.0**-10, 1.0])
def test_lbfgs_takes_the_same_path_in_other_units(loss_scale, params_scale):
    """Powers of two change no digit, so that one compiled step gives all units the same ones."""

    def finish(loss_scale, params_scale):
        # From the first pair on: the length of the first descent is one in the params' units.
        params, resume, problem = in_units_of(loss_scale, params_scale)
        return last(minimize(in_units, params, problem, LBFGS(5), 15, resume=resume))

    desired, actual = finish(1.0, 1.0), finish(loss_scale, params_scale)
    np.testing.assert_array_equal(np.asarray(actual.params) / params_scale, desired.params)
    assert actual.loss / loss_scale == desired.loss


@pytest.mark.parametrize("solver", [LBFGS(5), Adam(0.1, 12)], ids=["lbfgs", "adam"])
def test_minimize_reports_loss_and_terms_of_every_step(solver):
    snapshots = [(s.step, s.loss, s.values) for s in minimize(quadratic, ONES, BOWL, solver, 10)]
    assert [step for step, *_ in snapshots] == list(range(1, 11))
    assert snapshots[-1][1] < snapshots[0][1]
    for _, loss, values in snapshots:
        assert values == {"whole": loss, "half": loss / 2}


@pytest.mark.parametrize("solver", [LBFGS(5), Adam(0.1, 12)], ids=["lbfgs", "adam"])
def test_minimize_resumes_bit_for_bit(solver):
    desired = last(minimize(rosenbrock, START, VALLEY, solver, 10))
    half = last(minimize(rosenbrock, START, VALLEY, solver, 5))
    resumed = minimize(rosenbrock, half.params, VALLEY, solver, 10, resume=(5, half.state))
    actual = last(resumed)
    assert actual.step == 10
    np.testing.assert_array_equal(actual.params, desired.params)


@pytest.mark.parametrize("solver", [LBFGS(5), Adam(0.1, 12)], ids=["lbfgs", "adam"])
def test_minimize_stops_at_the_first_loss_that_is_not_finite(solver):
    def from_the_start(params, problem):
        return params.sum() * problem, {}

    with pytest.raises(FloatingPointError, match="the loss became nan at step 1"):
        next(minimize(from_the_start, ONES, np.float32(np.nan), solver, 5))


def test_minimize_names_the_step_of_a_loss_that_is_not_finite():
    def logarithm(params, problem):
        return jnp.log(params * problem).sum(), {}

    # Adam's steps are as long as its rate: 1, then about 0.6, then about 0.2, then beyond zero.
    snapshots = minimize(logarithm, jnp.ones(1), jnp.float32(1), Adam(0.4, 1000), 10)
    assert [next(snapshots).step for _ in range(3)] == [1, 2, 3]
    with pytest.raises(FloatingPointError, match="the loss became nan at step 4"):
        next(snapshots)


@pytest.mark.parametrize("solver", [LBFGS(5), Adam(0.1, 12)], ids=["lbfgs", "adam"])
def test_minimize_several_steps_at_once_is_one_by_one(solver):
    def steps_of(at_once):
        halts = {5, 6}.__contains__
        snapshots = minimize(rosenbrock, START, VALLEY, solver, 12, at_once=at_once, halts=halts)
        for snapshot in snapshots:
            params = None if snapshot.ahead else np.array(snapshot.params)
            yield snapshot.step, snapshot.ahead, snapshot.loss, snapshot.values, params

    alone = {step: rest for step, *rest in steps_of(1)}
    together = list(steps_of(4))
    assert [step for step, *_ in together] == list(range(1, 13))
    # Dispatches of 4, 1 (to the first halt), 1, 4 and 2 (the rest).
    assert [ahead for _, ahead, *_ in together] == [3, 2, 1, 0, 0, 0, 3, 2, 1, 0, 1, 0]
    for step, ahead, loss, values, params in together:
        _, desired, terms, where = alone[step]
        assert loss == pytest.approx(desired, rel=1e-5)
        assert values == pytest.approx(terms, rel=1e-5)
        if not ahead:
            np.testing.assert_allclose(params, where, rtol=1e-5, atol=1e-6)


def test_minimize_compiles_once_for_dispatches_of_any_length():
    compiled = []
    for steps in (3, 1, 8, 11):
        last(minimize(rosenbrock, START, VALLEY, LBFGS(5), steps, at_once=4))
        compiled.append(_steps._cache_size())
    assert len(set(compiled)) == 1


def test_minimize_names_the_step_inside_a_dispatch():
    def logarithm(params, problem):
        return jnp.log(params * problem).sum(), {}

    snapshots = minimize(logarithm, jnp.ones(1), jnp.float32(1), Adam(0.4, 1000), 10, at_once=8)
    assert [next(snapshots).step for _ in range(3)] == [1, 2, 3]
    with pytest.raises(FloatingPointError, match="the loss became nan at step 4"):
        next(snapshots)


def test_minimize_compiles_once_for_other_problems():
    last(minimize(quadratic, ONES, BOWL, LBFGS(5), 3))
    compiled = _step._cache_size()
    last(minimize(quadratic, 0 * ONES, (2 * CURVATURES, -CENTER), LBFGS(5), 3))
    assert _step._cache_size() == compiled


@pytest.mark.parametrize("statistic", STATISTICS)
def test_every_statistic_improves_in_a_few_steps(statistic, default_weights, painting):
    w, layers = default_weights, ("relu1_1",)
    network = VGG(w.kernels, w.biases, w.matrix, w.offset, deepest="relu1_1", convolution="direct")
    target = style.measure(network, painting(1, 16, 16), layers, resolution=16)
    objective = Objective({"style": style_term(target, layers, statistic, "normalized")})
    start = np.random.default_rng(0).uniform(0.4, 0.6, (16, 16, 3)).astype(np.float32)
    init, decode = PARAMETERS["pixels"]
    losses = [
        snapshot.loss
        for snapshot in minimize(
            ImageLoss(decode), init(jnp.asarray(start)), (network, objective), LBFGS(5), 15
        )
    ]
    assert losses[-1] < 0.5 * losses[0]
