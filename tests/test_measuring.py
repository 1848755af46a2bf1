"""The pass over a dataset: the right sums, whatever the order, and the same when it goes on."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from styleinv import dataset, images, style
from styleinv.errors import InputError
from styleinv.measuring import batch_moments
from styleinv.measuring.part import DONE, SKIPPED, Part
from styleinv.measuring.pipeline import batch_size, measure_items
from styleinv.measuring.sample import Plan, Refused, read_sample
from styleinv.measuring.sums import Sums
from styleinv.regions import layer_masks
from styleinv.vgg import VGG

LAYERS = ("pixels", "relu1_1", "relu2_1")
SHAPES = [(48, 64), (40, 80)]


@pytest.fixture(scope="module")
def shallow(default_weights):
    """The real VGG19 up to relu2_1."""
    w = default_weights
    return VGG(w.kernels, w.biases, w.matrix, w.offset, deepest="relu2_1")


@pytest.fixture
def many(tmp_path):
    """The items of a folder of 23 small pictures of two shapes, of different weights."""
    generator = np.random.default_rng(0)
    for k in range(23):
        shape = SHAPES[generator.integers(2)]
        y, x = np.mgrid[: shape[0], : shape[1]]
        planes = [np.sin(x * (k + 1) / 9 + c) * np.cos(y * (k % 5 + 1) / 7) for c in range(3)]
        Image.fromarray(np.uint8(127 + 127 * np.stack(planes, 2))).save(tmp_path / f"{k:02}.png")
    return dataset.reweigh(dataset.find(tmp_path), 1 + generator.uniform(size=23))


def plan_of(*regions):
    return Plan(LAYERS, (32,), regions or ("all",), network=("relu1_1", "relu1_2", "relu2_1"))


def empty(items, plan):
    return Part(Sums.empty(plan.regions, plan.resolutions, LAYERS), len(items))


def measured(network, items, plan=None, *, size=4, **options):
    plan = plan or plan_of()
    part = empty(items, plan)
    for _ in measure_items(network, items, range(len(items)), plan, part, size=size, **options):
        pass
    return part


def assert_equal(actual, desired, tolerance=1e-6):
    """Two parts' styles, relative to the largest value of each layer."""
    one, other = actual.sums.styles(), desired.sums.styles()
    for region, styles in other.items():
        for resolution, found in styles.items():
            for layer, moments in found.moments.items():
                mine = one[region][resolution].moments[layer]
                norm = (moments.second**2).sum()
                for a, d in zip(mine[:3], moments[:3], strict=True):
                    np.testing.assert_allclose(a, d, rtol=0, atol=tolerance * np.max(np.abs(d)))
                np.testing.assert_allclose(mine.spread, moments.spread, rtol=0, atol=2e-6 * norm)


@pytest.mark.parametrize("regions", [("all",), ("sky", "rest")])
def test_measure_items_adds_up_what_single_images_give(shallow, many, regions, tmp_path):
    if regions != ("all",):
        rows = []
        for k, item in enumerate(many):
            height, width = images.read(item.path).shape[:2]
            mask = np.zeros((height, width), np.uint8)
            mask[: height // 2 + k % 5] = 255 - 5 * k
            Image.fromarray(mask).save(tmp_path / f"mask{k}.jpg")
            rows.append(f"{item.name},{item.weight!r},mask{k}.jpg")
        (tmp_path / "metadata.csv").write_text("\n".join(["file_name,weight,mask_sky", *rows]))
        many = dataset.find(tmp_path)
    plan = plan_of(*regions)
    before = batch_moments._measure._cache_size()
    actual = measured(shallow, many, plan).sums.styles()
    assert batch_moments._measure._cache_size() - before <= len(SHAPES)  # each compiled once
    for region in regions:
        for resolution in plan.resolutions:
            ones = []
            for item, views in dataset.stream(many, [resolution], regions):
                mask = views[resolution].masks[region]
                if mask is not None:
                    mask = layer_masks(mask, LAYERS, item.name, "soft", shallow.layers)
                ones.append(
                    style.measure(
                        shallow,
                        views[resolution].image,
                        LAYERS,
                        resolution=resolution,
                        weight=item.weight,
                        masks=mask,
                    )
                )
            for layer, desired in style.merge(*ones).moments.items():
                found = actual[region][resolution].moments[layer]
                assert found.weight == pytest.approx(desired.weight)
                for a, d in zip(found[1:3], desired[1:3], strict=True):
                    np.testing.assert_allclose(a, d, rtol=0, atol=2e-6 * d.max())
                atol = 4e-6 * (desired.second**2).sum()
                np.testing.assert_allclose(found.spread, desired.spread, rtol=0, atol=atol)


def test_measure_items_does_not_depend_on_the_order(shallow, many):
    order = np.random.default_rng(1).permutation(len(many))
    assert_equal(measured(shallow, [many[k] for k in order]), measured(shallow, many))


def test_measure_items_goes_on_from_any_checkpoint_in_the_same_bytes(shallow, many, monkeypatch):
    monkeypatch.setattr(
        "styleinv.measuring.pipeline._WAITING", 2
    )  # so that some batches go incomplete
    whole = measured(shallow, many)
    plan, part = plan_of(), empty(many, plan_of())
    sittings = 0
    while len(part.todo):
        sittings += 1
        advances = measure_items(
            shallow, many, range(len(many)), plan, part, size=4, settle=lambda: True
        )
        next(one for one in advances if one.settled)
        advances.close()
    assert sittings >= 6
    for key, own in whole.sums.tensors.items():
        for name, array in own.items():
            np.testing.assert_array_equal(part.sums.tensors[key][name], array)
    np.testing.assert_array_equal(part.digests, whole.digests)


def test_measure_items_takes_shares_that_add_up(shallow, many):
    plan, total = plan_of(), empty(many, plan_of())
    for process in range(3):
        part = empty(many, plan)
        for _ in measure_items(shallow, many, range(process, 23, 3), plan, part, size=4):
            pass
        total.add(part)
    assert not len(total.todo)
    assert_equal(total, measured(shallow, many))


def test_measure_items_lists_what_cannot_be_read(shallow, many):
    many[3].path.write_bytes(b"")
    many[5].path.unlink()
    part = measured(shallow, many, skip=True)
    assert list(np.flatnonzero(part.status == SKIPPED)) == [3, 5]
    assert "03.png is not a readable image" in part.reasons[3]
    assert "05.png does not exist" in part.reasons[5]
    left = [item for k, item in enumerate(many) if k not in (3, 5)]
    assert_equal(part, measured(shallow, left))


def test_read_sample_refuses_what_the_deepest_layer_sees_nothing_of(many):
    Image.new("RGB", (4000, 4)).save(many[9].path)
    plan = replace(plan_of(), resolutions=(16,))
    refused = read_sample(9, many[9], plan)
    assert isinstance(refused, Refused)
    assert "09.png is too narrow for relu2_1 at 506x1 pixels; crop it, or" in refused.reason


def test_measure_items_refuses_what_cannot_be_read_and_keeps_what_came_before(shallow, many):
    good = many[13].path.read_bytes()
    many[13].path.write_bytes(good[:100])
    part, plan = empty(many, plan_of()), plan_of()
    seen = []
    with pytest.raises(InputError, match=r"13\.png is not a readable image"):  # noqa: PT012
        for advance in measure_items(shallow, many, range(23), plan, part, size=4):
            seen.append(advance)
    assert seen[-1].settled
    assert part.position == 13
    assert (part.status == DONE).sum() + len(part.pending) == 13
    many[13].path.write_bytes(good)
    for _ in measure_items(shallow, many, range(23), plan, part, size=4):
        pass
    assert_equal(part, measured(shallow, many), 0)


def refuse(network, items, number, part):
    """A pass that ends at an item, which can be read again afterwards."""
    path = items[number].path
    good = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(InputError, match=f"{path.name} is not a readable image"):
        list(measure_items(network, items, range(23), plan_of(), part, size=16))
    path.write_bytes(good)


def test_measure_items_refused_while_it_reads_again_loses_nothing(shallow, many):
    part = empty(many, plan_of())
    refuse(shallow, many, 13, part)
    refuse(shallow, many, 1, part)
    assert (part.position, part.pending) == (13, list(range(13)))
    list(measure_items(shallow, many, range(23), plan_of(), part, size=16))
    assert not len(part.todo)
    assert_equal(part, measured(shallow, many, size=16), 0)


def test_measure_items_stopped_while_it_reads_again_loses_nothing(shallow, many):
    """Batches of fewer devices are smaller, and one is full before all have come in again."""
    part = empty(many, plan_of())
    refuse(shallow, many, 13, part)
    again = partial(measure_items, shallow, many, range(23), plan_of(), part, size=2)
    advances = again(settle=lambda: True)
    next(one for one in advances if one.settled)
    advances.close()
    assert part.position == 13
    assert sorted([*part.pending, *np.flatnonzero(part.status == DONE)]) == list(range(13))
    list(again())
    assert not len(part.todo)
    assert_equal(part, measured(shallow, many))


@pytest.mark.parametrize(
    ("resolution", "count", "size"),
    [(256, 1, 1), (256, 2, 4), (256, 10, 4), (96, 4, 4), (96, 30, 28), (32, 5, 16), (2048, 5, 1)],
)
def test_batch_is_no_larger_than_it_need_be(resolution, count, size):
    plan = Plan(LAYERS, (resolution // 2, resolution))
    assert batch_size(plan, count) == size


def test_a_few_pictures_take_a_small_batch(shallow, many, monkeypatch):
    sizes, measure, plan = set(), batch_moments._measure, plan_of()

    def look(network, pictures, *rest):
        sizes.add(len(pictures))
        return measure(network, pictures, *rest)

    monkeypatch.setattr(batch_moments, "_measure", look)
    for _ in measure_items(shallow, many, [3, 7], plan, empty(many, plan)):
        pass
    assert sizes == {4}
