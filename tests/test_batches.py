"""Batches of equal shapes, from the order of the samples alone."""

import numpy as np

from styleinv.measuring.batches import Batches, stack
from styleinv.measuring.sample import Sample, Seen


def sample(index, shape=(4, 4), masks=None):
    view = Seen(np.full((*shape, 3), index, np.float32), {"all": masks})
    return Sample(index, b"", shape, {}, {16: view})


def gathered(batches, samples):
    """The indices of what comes out, while samples come in and after."""
    during = [[s.index for s in batch] for one in samples if (batch := batches.add(one))]
    return during, [[s.index for s in batch] for batch in batches.rest()]


def test_add_gives_full_batches_of_one_shape_in_order():
    shapes = [(4, 4), (4, 8), (4, 4), (4, 4), (4, 8), (4, 8), (8, 4)]
    samples = [sample(k, shape) for k, shape in enumerate(shapes)]
    assert gathered(Batches(3, 9), samples) == ([[0, 2, 3], [1, 4, 5]], [[6]])


def test_add_gives_the_fullest_batch_when_too_many_wait():
    shapes = [(4, 4), (4, 8), (8, 4), (8, 4), (4, 8), (4, 12), (4, 16)]
    samples = [sample(k, shape) for k, shape in enumerate(shapes)]
    # Two are equally full: the one that has waited longest goes.
    assert gathered(Batches(3, 4), samples) == ([[1, 4], [2, 3]], [[0], [5], [6]])


def test_pending_samples_come_out_the_same_when_they_come_in_again():
    generator = np.random.default_rng(0)
    samples = [sample(k, (4, 4 * w)) for k, w in enumerate(generator.integers(1, 9, 200))]
    whole, rest = gathered(Batches(4, 12), samples)
    batches, done = Batches(4, 12), []
    for k, one in enumerate(samples):
        if batch := batches.add(one):
            done.append([s.index for s in batch])
            before, batches = batches.pending, Batches(4, 12)
            assert not any(batches.add(samples[index]) for index in before)
            assert batches.pending == before
            assert len(before) <= 12
            assert max(before, default=0) <= k
    assert (done, [[s.index for s in batch] for batch in batches.rest()]) == (whole, rest)


def test_stack_fills_up_with_what_weighs_nothing():
    images, counted, weighed = stack(
        [sample(1), sample(2)], np.array([3.0, 1.0]), 16, ("pixels",), 4
    )
    assert images.shape == (4, 4, 4, 3)
    np.testing.assert_array_equal(counted["all"].weights, np.float32([0.75, 0.25, 0, 0]))
    assert counted["all"].positions is None
    np.testing.assert_array_equal(weighed["all"]["pixels"], [3, 1, 0, 0])


def test_stack_leaves_out_the_layers_where_a_region_has_no_position():
    masks = (
        {"pixels": np.eye(4, dtype=np.float32)},
        {
            "pixels": np.ones((4, 4), np.float32),
            "relu2_1": np.ones((2, 2), np.float32),
        },
    )
    samples = [sample(k, masks=mask) for k, mask in enumerate(masks)]
    _, counted, weighed = stack(samples, np.array([3.0, 1.0]), 16, ("pixels", "relu2_1"), 2)
    deep = counted["all"]["relu2_1"]
    np.testing.assert_array_equal(deep.weights, [0, 1])
    np.testing.assert_array_equal(deep.positions, [np.zeros((2, 2)), np.full((2, 2), 0.25)])
    np.testing.assert_array_equal(counted["all"]["pixels"].positions[0], np.eye(4) / 4)
    np.testing.assert_array_equal(weighed["all"]["relu2_1"], [0, 1])


def test_stack_gives_all_positions_to_a_picture_that_is_all_region():
    samples = [sample(0), sample(1, masks={"pixels": np.eye(4, dtype=np.float32)})]
    _, counted, _ = stack(samples, np.array([3.0, 1.0]), 16, ("pixels",), 2)
    actual = counted["all"]["pixels"]
    np.testing.assert_array_equal(actual.positions, [np.full((4, 4), 1 / 16), np.eye(4) / 4])
    np.testing.assert_array_equal(actual.weights, [0.75, 0.25])


def test_stack_of_a_region_that_no_picture_has_at_a_layer_weighs_nothing():
    samples = [sample(k, masks={"pixels": np.eye(4, dtype=np.float32)}) for k in (0, 1)]
    _, counted, _ = stack(samples, np.array([3.0, 1.0]), 16, ("pixels", "relu2_1"), 2)
    np.testing.assert_array_equal(counted["all"]["relu2_1"].weights, [0, 0])
