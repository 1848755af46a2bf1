"""A pass that goes on: from its own parts, or from those of another number of processes."""

from functools import partial

import numpy as np
import pytest

from styleinv.errors import InputError
from styleinv.measuring import parts
from styleinv.measuring.batch_moments import BatchMoments
from styleinv.measuring.part import DONE, SKIPPED
from styleinv.measuring.parts import Kind, Parts
from styleinv.measuring.sums import Sums

KEY = ("all", 16, "pixels")
KIND = Kind(partial(Sums.empty, ["all", "sky"], [16], ["pixels"]), 10, "these")


def look_at(part, indices):
    """Puts items into a part, each of which has its index for a mean; 7 cannot be read."""
    for index in indices:
        part.position += 1
        if index == 7:
            part.status[index], part.reasons[index] = SKIPPED, "seven, \u00fcnreadable"
            continue
        value = np.full(3, float(index))
        found = BatchMoments(value, np.outer(value, value), np.full((1, 3), float(index)))
        part.sums.add_batch(KEY, np.ones(1), found)
        part.status[index] = DONE
        part.digests[index], part.sizes[index] = index, (index, 1)
        part.covered["sky"][index] = index / 10


def work(folder, processes, counts):
    """Every process looks at so many more of its share, and saves."""
    parts.begin(folder, KIND, processes)
    for process, count in enumerate(counts):
        kept = Parts(folder, KIND)
        part, share = kept.mine(process)
        look_at(part, map(int, share[part.position :][:count]))
        kept.save(process, part)


@pytest.mark.parametrize(
    "sittings",
    [
        [(1, [10])],
        [(1, [4]), (1, [6])],
        [(3, [4, 3, 3])],
        [(2, [5, 2]), (2, [0, 3])],
        [(2, [3, 1]), (3, [1, 2, 0]), (1, [9])],
        [(3, [1]), (3, [0, 0, 2]), (2, [9, 9])],
    ],
)
def test_total_is_of_every_item_once_however_often_it_was_stopped(tmp_path, sittings):
    for processes, counts in sittings:
        work(tmp_path, processes, counts)
    total = Parts(tmp_path, KIND).total()
    assert list(total.todo) == []
    assert total.reasons == {7: "seven, \u00fcnreadable"}
    assert list(total.status) == [DONE] * 7 + [SKIPPED] + [DONE] * 2
    moments = total.sums.styles()["all"][16].moments["pixels"]
    assert moments.weight == 9
    np.testing.assert_allclose(moments.mean, (45 - 7) / 9)
    assert list(total.digests[:, 31]) == [0, 1, 2, 3, 4, 5, 6, 0, 8, 9]
    assert list(total.sizes[:, 0]) == [0, 1, 2, 3, 4, 5, 6, 0, 8, 9]
    desired = np.array([0, 1, 2, 3, 4, 5, 6, 0, 8, 9], np.float32) / 10
    np.testing.assert_allclose(total.covered["sky"], desired)
    assert list(total.covered) == ["sky"]


def test_a_kill_while_another_number_takes_over_loses_nothing(tmp_path, monkeypatch):
    """Whether or not the old parts were still there, they count once."""
    work(tmp_path, 2, [3, 2])
    old = {file.name: file.read_bytes() for file in tmp_path.glob("part-*")}
    parts.begin(tmp_path, KIND, 3)
    for name, content in old.items():  # as if it had been killed before they were removed
        (tmp_path / name).write_bytes(content)
    part, _ = Parts(tmp_path, KIND).mine(0)
    assert part.position == 0
    assert sorted(i for p in range(3) for i in Parts(tmp_path, KIND).mine(p)[1]) == [5, 6, 7, 8, 9]
    work(tmp_path, 3, [9, 9, 9])
    assert Parts(tmp_path, KIND).total().sums.tensors[KEY]["weight"][0] == 9


def test_what_is_pending_is_kept(tmp_path):
    parts.begin(tmp_path, KIND, 1)
    kept = Parts(tmp_path, KIND)
    part, _ = kept.mine(0)
    part.position, part.pending = 5, [1, 3]
    kept.save(0, part)
    again, share = Parts(tmp_path, KIND).mine(0)
    assert (again.position, again.pending) == (5, [1, 3])
    assert list(share) == list(range(10))


def test_parts_of_other_pictures_are_refused(tmp_path):
    work(tmp_path, 1, [3])
    message = r"is of other images than there are now; name a new --workdir"
    with pytest.raises(InputError, match=message):
        parts.begin(tmp_path, KIND._replace(key="others"), 1)
    with pytest.raises(InputError, match=r"inherited\.safetensors cannot be gone on with \(status"):
        parts.begin(tmp_path, KIND._replace(count=11), 1)


def test_a_part_may_be_of_any_size(tmp_path, monkeypatch):
    monkeypatch.setattr("styleinv.images._MOST_BYTES", 1)
    work(tmp_path, 1, [3])
    part, _ = Parts(tmp_path, KIND).mine(0)
    assert part.position == 3


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_damaged_part_is_refused(tmp_path, content):
    work(tmp_path, 1, [3])
    path = tmp_path / "part-0.safetensors"
    path.write_bytes(path.read_bytes()[:-4] if content is None else content)
    with pytest.raises(InputError, match=r"part-0\.safetensors cannot be gone on with \(.+\); rem"):
        Parts(tmp_path, KIND).mine(0)
