"""How far a pass over a dataset has come, or one process of it: kept so that it can go on.

A part holds the sums of the items that are in it, and which these are. Parts of the same dataset
add up.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from styleinv import files
from styleinv.errors import InputError, reading, reason_of
from styleinv.masks import ALL
from styleinv.measuring.sums import Sums

TODO, DONE, SKIPPED = range(3)


class Part:
    """What is known of which items.

    Attributes:
        sums: of the items that are done.
        status: u8[n], of every item of the dataset: TODO, DONE or SKIPPED.
        digests, sizes: u8[n, 32] and u32[n, 2], sha256 of the files of those that are done, and
            their (height, width).
        covered: {region: f32[n], the share of each picture's area that is in it}; 0 of those that
            have no mask. Not of "all", which has none.
        reasons: {index: why it was skipped}.
        position: how many items of its share have been looked at.
        pending: the indices of those among them that are in no batch yet.
    """

    def __init__(self, sums: Sums, count: int):
        self.sums = sums
        self.status = np.zeros(count, np.uint8)
        self.digests = np.zeros((count, 32), np.uint8)
        self.sizes = np.zeros((count, 2), np.uint32)
        self.covered = {r: np.zeros(count, np.float32) for r in sums.regions if r != ALL}
        self.reasons: dict[int, str] = {}
        self.position = 0
        self.pending: list[int] = []

    @property
    def todo(self) -> np.ndarray:
        """The indices of the items that are not in it."""
        return np.flatnonzero(self.status == TODO)

    def add(self, other: "Part") -> None:
        """Adds what is in another part of the same dataset; its own position stays."""
        self.sums.add(other.sums)
        self.status = np.maximum(self.status, other.status)
        self.digests = np.maximum(self.digests, other.digests)
        self.sizes = np.maximum(self.sizes, other.sizes)
        for region, shares in self.covered.items():
            np.maximum(shares, other.covered[region], out=shares)
        self.reasons |= other.reasons


def save(path: Path, part: Part, about: Mapping[str, Any]) -> None:
    """Writes the file in one move.

    Args:
        about: whatever else is to be told of it, as JSON values.
    """
    tensors = {name: array for array, name in _tensors(part)}
    told = dict(about) | {
        "reasons": sorted(part.reasons.items()),
        "position": part.position,
        "pending": part.pending,
    }
    # A header may not be large, a tensor may.
    tensors["told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    files.write(path, safetensors.numpy.save(tensors))


def load(path: Path, part: Part) -> tuple[Part, dict[str, Any]]:
    """The part, and what else was told of it.

    Args:
        part: an empty one, which is filled.

    Raises:
        InputError: if it cannot be read, is damaged, or its dataset has other items.
    """
    with reading(path):
        content = path.read_bytes()  # our own: of any size
    try:
        tensors = safetensors.numpy.load(content)
        told = json.loads(tensors["told"].tobytes())
        for array, name in _tensors(part):
            if array.shape != tensors[name].shape:
                raise ValueError(f"{name} is {tensors[name].shape}, not {array.shape}")
            array[...] = tensors[name]
        part.reasons = {int(index): reason for index, reason in told.pop("reasons")}
        part.position, part.pending = int(told.pop("position")), list(told.pop("pending"))
        return part, told
    except Exception as error:  # whatever a damaged file provokes, from whichever library
        reason = reason_of(error)
        raise InputError(
            f"{path} cannot be gone on with ({reason}); remove it, or name a new --workdir"
        ) from None


def _tensors(part: Part) -> Iterator[tuple[np.ndarray, str]]:
    yield from ((part.status, "status"), (part.digests, "digests"), (part.sizes, "sizes"))
    yield from ((shares, f"{region}/covered") for region, shares in part.covered.items())
    for (region, resolution, layer), own in part.sums.tensors.items():
        yield from ((array, f"{region}/{resolution}/{layer}/{name}") for name, array in own.items())
