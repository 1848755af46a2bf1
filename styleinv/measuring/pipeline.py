"""The pass over a dataset, or over a process's share of it: read, batch, measure, add up.

Files are read ahead in threads, batches are dealt to the devices, and the host adds up what they
found while they work on the next batch. What comes out follows from the order of the items alone,
not from what was faster than what.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from styleinv.errors import InputError
from styleinv.manifest import Item
from styleinv.measuring import loader
from styleinv.measuring.batch_moments import BatchMoments, measure_batch, mesh_of, to_all
from styleinv.measuring.batches import Batches, stack
from styleinv.measuring.part import DONE, SKIPPED, Part
from styleinv.measuring.sample import Plan, Refused, Sample, read_sample
from styleinv.vgg import VGG

_PIXELS = 2**18  # of a full batch on one device, at the finest resolution
_BATCH = 64  # images of a full batch on one device, at most
_WAITING = 4  # full batches that may wait for images of their shape


class Advance(NamedTuple):
    """Some items more are in the part.

    Attributes:
        count: how many more than at the last one, without those that were skipped.
        name: of one of them.
        settled: whether the part is fit to be saved: nothing is on the devices.
    """

    count: int
    name: str
    settled: bool


class _Sent(NamedTuple):
    """A batch on the devices, and the name of one of its items."""

    samples: Sequence[Sample]
    name: str
    found: Mapping[int, Mapping[str, Mapping[str, BatchMoments]]]
    weighed: Mapping[int, Mapping[str, Mapping[str, np.ndarray]]]


def measure_items(
    network: VGG,
    items: Sequence[Item],
    indices: Sequence[int] | np.ndarray,
    plan: Plan,
    part: Part,
    *,
    devices: Sequence[Any] | None = None,
    size: int = 0,
    skip: bool = False,
    settle: Callable[[], object] = lambda: False,
    threads: int | None = None,
) -> Iterator[Advance]:
    """Brings the items at the indices into the part, from where it stands.

    Args:
        indices: rising.
        devices: all of this process by default.
        size: of a full batch on one device; by default, `batch_size`.
        skip: lists an item that cannot be used in the part, instead of raising.
        settle: asked after every batch whether the next advance shall be settled.
        threads: that read files; one for each core by default.

    Raises:
        InputError: for an item that cannot be used, after a settled advance.
    """
    devices = devices or jax.local_devices()
    size = (size or batch_size(plan, -(-len(indices) // len(devices)))) * len(devices)
    mesh = mesh_of(devices)
    send = partial(_send, to_all(mesh, network), items, plan, mesh, size)
    batches, again = Batches(size, _WAITING * size), deque(part.pending)
    reads = loader.ahead(
        lambda index: read_sample(index, items[index], plan),
        map(int, chain(part.pending, indices[part.position :])),
        threads=threads or os.cpu_count() or 1,
        most=2 * size,
    )

    def pending() -> list[int]:
        return [*batches.pending, *again]

    sent = None
    with closing(reads):
        for ready in _gather(reads, batches, part, again, skip):
            before, sent = sent, None if isinstance(ready, Refused) else send(ready)
            if before:
                yield _receive(part, before)
            if sent and settle():
                yield _receive(part, sent, pending())
                sent = None
            if isinstance(ready, Refused):
                yield _settled(part, pending())
                raise InputError(ready.reason)
        if sent:
            yield _receive(part, sent)
    yield _settled(part, pending())


def batch_size(plan: Plan, count: int = _BATCH) -> int:
    """Images of a full batch on one device that gets so many of them.

    Of few, it is a power of four: to compile for every number would take longer than to fill up.
    """
    full = min(_BATCH, max(1, _PIXELS // max(plan.resolutions) ** 2))
    bits = max(count - 1, 0).bit_length()
    return min(full, 1 << bits + bits % 2)


def _gather(
    reads: Iterator[Sample | Refused], batches: Batches, part: Part, again: deque[int], skip: bool
) -> Iterator[Sequence[Sample] | Refused]:
    """The batches; or, as the last, an item that was refused.

    Args:
        again: the first that are read, which were looked at before; each is taken out as it comes.
    """
    for one in reads:
        if isinstance(one, Refused) and not skip:
            yield one
            return
        if again:
            again.popleft()
        else:
            part.position += 1
        if isinstance(one, Refused):
            part.status[one.index], part.reasons[one.index] = SKIPPED, one.reason
        elif batch := batches.add(one):
            yield batch
    yield from batches.rest()


def _send(
    network: VGG,
    items: Sequence[Item],
    plan: Plan,
    mesh: Mesh,
    size: int,
    samples: Sequence[Sample],
) -> _Sent:
    weights = np.array([items[sample.index].weight for sample in samples], np.float64)
    found, weighed = {}, {}
    # An incomplete batch is filled up: to compile for another size takes longer.
    for resolution in plan.resolutions:
        images, counted, own = stack(samples, weights, resolution, plan.layers, size)
        found[resolution] = measure_batch(network, images, counted, plan.layers, mesh)
        weighed[resolution] = own
    names = [items[sample.index].name for sample in samples]
    return _Sent(samples, names[-1], found, weighed)


def _receive(part: Part, sent: _Sent, pending: list[int] | None = None) -> Advance:
    """Adds up what the devices found; settled if it is given what is in no batch yet."""
    for resolution, regions in sent.found.items():
        for region, layers in jax.device_get(regions).items():
            for layer, found in layers.items():
                weights = sent.weighed[resolution][region][layer]
                part.sums.add_batch((region, resolution, layer), weights, found)
    for sample in sent.samples:
        part.status[sample.index] = DONE
        part.digests[sample.index] = np.frombuffer(sample.digest, np.uint8)
        part.sizes[sample.index] = sample.size
        for region, share in sample.covered.items():
            part.covered[region][sample.index] = share
    if pending is not None:
        part.pending = pending
    return Advance(len(sent.samples), sent.name, pending is not None)


def _settled(part: Part, pending: list[int]) -> Advance:
    part.pending = pending
    return Advance(0, "", True)
