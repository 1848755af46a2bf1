"""Coarse to fine on the real network: what is yielded, how it resumes, what is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleinv import images, minimize, style
from styleinv.errors import InputError
from styleinv.lbfgs import LBFGS
from styleinv.minimize import Adam
from styleinv.objective import Objective, TotalVariationTerm, style_term
from styleinv.parameters import PARAMETERS
from styleinv.synthesize import Position, Stage, synthesize

LAYERS = ("relu1_1", "relu2_1")
STAGES = (Stage(16, 3), Stage(32, 4))


def noise(seed):
    def start(resolution):
        generator = np.random.default_rng(seed)
        return generator.uniform(0.4, 0.6, (resolution, resolution + 8, 3)).astype(np.float32)

    return start


@pytest.fixture(scope="module")
def problem(shallow, painting):
    """A function: {number of a picture: weight}, tv -> problem_at."""

    def of(shares, tv=1.0):
        def at(resolution):
            merged = style.mix(
                style.measure(
                    shallow,
                    painting(number, resolution, resolution),
                    LAYERS,
                    resolution=resolution,
                    weight=weight,
                )
                for number, weight in shares.items()
            )
            term = style_term(merged, LAYERS, "gram", "normalized")
            return shallow, Objective({"style": term, "tv": TotalVariationTerm(jnp.float32(tv))})

        return at

    return of


def run(problem_at, solver_for=lambda steps: LBFGS(3), seed=0, stages=STAGES, **options):
    return synthesize(problem_at, noise(seed), stages, PARAMETERS["pixels"], solver_for, **options)


def test_synthesize_yields_every_step_of_every_stage(problem):
    frames = [
        (f.stage, f.resolution, f.step, f.count, f.image.shape) for f in run(problem({1: 1.0}))
    ]
    assert frames == [
        (0, 16, 1, 1, (16, 24, 3)),
        (0, 16, 2, 2, (16, 24, 3)),
        (0, 16, 3, 3, (16, 24, 3)),
        (1, 32, 1, 4, (32, 40, 3)),
        (1, 32, 2, 5, (32, 40, 3)),
        (1, 32, 3, 6, (32, 40, 3)),
        (1, 32, 4, 7, (32, 40, 3)),
    ]


def test_synthesize_starts_a_stage_from_the_one_before(problem):
    # The first step of L-BFGS only evaluates, so that its image is where the stage starts.
    frames = [frame.image for frame in run(problem({1: 1.0}))]
    np.testing.assert_allclose(frames[0], noise(0)(16), atol=1e-5)
    np.testing.assert_allclose(frames[3], images.resize(frames[2], 32, 40), atol=3e-3)


def test_synthesize_asks_for_a_solver_of_each_stages_steps(problem):
    asked = []
    for _ in run(problem({1: 1.0}), lambda steps: asked.append(steps) or LBFGS(3)):
        pass
    assert asked == [3, 4]


def test_synthesize_keeps_the_details_of_a_start_that_is_a_picture(problem, painting):
    def start(resolution):
        return painting(2, resolution, resolution + 8)

    frames = [
        frame.image
        for frame in synthesize(
            problem({1: 1.0}),
            start,
            (Stage(16, 3), Stage(32, 3), Stage(32, 1)),
            PARAMETERS["waves"],
            lambda steps: LBFGS(3),
            keep_details=True,
        )
    ]
    for last, before, after in ((2, 16, 32), (5, 32, 32)):
        change = np.float64(frames[last]) - start(before)
        assert np.abs(change).max() > 0.05
        halves = 0.5 + change / 2, np.full_like(change, 0.5)
        larger, gray = (images.resize(np.float32(half), after, after + 8) for half in halves)
        desired = np.clip(start(after) + 2 * (larger - gray), 0, 1)
        np.testing.assert_allclose(frames[last + 1], desired, atol=3e-3)


@pytest.mark.parametrize(
    "solver_for", [lambda steps: LBFGS(3), lambda steps: Adam(0.05, steps)], ids=["lbfgs", "adam"]
)
def test_synthesize_resumes_from_any_position_bit_for_bit(problem, solver_for):
    desired = []
    for frame in run(problem({1: 1.0}), solver_for):
        # Taken as the loop goes on, which uses the memory of the state again.
        desired.append((frame.position, frame.image, frame.snapshot.loss, frame.snapshot.values))
    for done, (position, *_) in enumerate(desired, 1):
        on_disk = Position(position.stage, position.step, [x.copy() for x in position.leaves])
        rest = list(run(problem({1: 1.0}), solver_for, resume=on_disk))
        assert len(rest) == len(desired) - done
        # Of each frame only what the loop has not reused: the state of the last is still there.
        for frame, (_, image, loss, values) in zip(rest, desired[done:], strict=True):
            np.testing.assert_array_equal(frame.image, image)
            assert (frame.snapshot.loss, frame.snapshot.values) == (loss, values)
        if rest:
            np.testing.assert_equal(rest[-1].position.leaves, desired[-1][0].leaves)


def test_synthesize_refuses_a_position_of_another_solver(problem):
    position = next(run(problem({1: 1.0}), lambda steps: LBFGS(3))).position
    with pytest.raises(InputError, match="another version of the program"):
        next(run(problem({1: 1.0}), lambda steps: LBFGS(4), resume=position))


def test_synthesize_several_steps_at_once_is_one_by_one(problem):
    """Over twelve steps, of which the fifth is asked for; and from any position that is kept."""
    stages = (Stage(16, 6), Stage(32, 6))
    alone = [(f.count, f.snapshot.loss, f.image) for f in run(problem({1: 1.0}), stages=stages)]
    options = {"stages": stages, "at_once": 4, "halts": lambda count: count == 5}
    together, kept = [], {}
    for frame in run(problem({1: 1.0}), **options):
        together.append((frame.count, frame.snapshot.loss, frame.snapshot.values))
        if frame.settled:
            kept[frame.count] = frame.position, frame.image
    assert list(kept) == [4, 5, 6, 10, 12]
    assert [count for count, *_ in together] == [count for count, *_ in alone]
    losses = [[loss for _, loss, _ in each] for each in (together, alone)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for count, (position, image) in kept.items():
        np.testing.assert_allclose(image, alone[count - 1][2], atol=1e-4)
        rest = list(run(problem({1: 1.0}), resume=position, **options))
        assert [(f.count, f.snapshot.loss, f.snapshot.values) for f in rest] == together[count:]


def test_other_targets_weights_and_seeds_compile_nothing(problem, caplog):
    for _ in run(problem({1: 1.0, 2: 3.0})):
        pass
    compiled = minimize._step._cache_size()
    with jax.log_compiles(), caplog.at_level("WARNING", logger="jax"):
        for shares, tv, seed in (({3: 1.0, 4: 1.0}, 1.0, 0), ({3: 0.2, 4: 7.0}, 5.0, 1)):
            losses = [frame.snapshot.loss for frame in run(problem(shares, tv), seed=seed)]
            assert losses[-1] < losses[0]
    assert minimize._step._cache_size() == compiled
    assert [r.getMessage() for r in caplog.records if "ompil" in r.getMessage()] == []


def test_log_compiles_would_have_seen_it(caplog):
    """The test above hears what it listens for."""
    with jax.log_compiles(), caplog.at_level("WARNING", logger="jax"):
        jax.jit(lambda x: x * 1.2345)(jnp.ones(7))
    assert any("ompil" in record.getMessage() for record in caplog.records)


def test_a_step_does_not_know_how_many_images_there_are(problem, shallow, painting):
    """One image, four or four hundred: the same arrays, and the same compiled step."""
    one = style.measure(shallow, painting(1, 16, 16), LAYERS, resolution=16)
    two = style.measure(shallow, painting(2, 16, 16), LAYERS, resolution=16)
    shapes, sizes = [], []
    for count in (1, 4, 400):
        mixed = style.mix([one, *[two] * (count - 1)])

        def problem_at(_, mixed=mixed):
            return shallow, Objective({"style": style_term(mixed, LAYERS, "gram", "normalized")})

        shapes.append(jax.tree.map(lambda x: (x.shape, x.dtype), problem_at(16)[1]))
        for _ in run(problem_at, stages=STAGES[:1]):
            pass
        sizes.append(minimize._step._cache_size())
    assert shapes[0] == shapes[1] == shapes[2]
    assert len(set(sizes)) == 1
