"""change.safetensors: the changes that one filter makes, at every resolution measured.

Tensors `RESOLUTION/LAYER/{gain,correlation}/{original,filtered}` in float32, and `.../sums` in
float64; the header says what the pairs were measured with. Equal changes are equal files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from styleinv import tensor_file
from styleinv.change import Change, Joint, LayerChange
from styleinv.style_file import Origin, origin_of
from styleinv.vgg import layer_channels


def save(path: Path, changes: Mapping[int, Change], origin: Origin) -> None:
    """Writes the file in one move; the origin's images are the filtered ones."""
    tensors = {}
    for resolution, change in changes.items():
        for layer, parts in change.layers.items():
            for name, joint in parts._asdict().items():
                prefix = f"{resolution}/{layer}/{name}"
                tensors[f"{prefix}/original"] = joint.original.astype(np.float32)
                tensors[f"{prefix}/filtered"] = joint.filtered.astype(np.float32)
                tensors[f"{prefix}/sums"] = np.array([joint.xx, joint.xf, joint.ff])
    header = {
        "layers": list(next(iter(changes.values())).layers),
        "weights": {resolution: [c.weight, c.squares] for resolution, c in changes.items()},
        "origin": asdict(origin),
    }
    tensor_file.save(path, "change", header, tensors)


def load(path: Path) -> tuple[dict[int, Change], Origin]:
    """The changes by resolution, and what they were measured with.

    Raises:
        InputError: if this is not a change file or it is damaged.
    """
    return tensor_file.load(path, "change", _build)


def _build(
    header: Mapping[str, Any], tensors: Mapping[str, np.ndarray]
) -> tuple[dict[int, Change], Origin]:
    changes = {
        int(resolution): Change(
            int(resolution), *_weights(*numbers), _layers(tensors, resolution, header["layers"])
        )
        for resolution, numbers in header["weights"].items()
    }
    return changes, origin_of(header["origin"])


def _weights(weight: float, squares: float) -> tuple[float, float]:
    if not (np.isfinite([weight, squares]).all() and weight > 0 and squares > 0):
        raise ValueError("weights that are not positive numbers")
    return float(weight), float(squares)


def _layers(
    tensors: Mapping[str, np.ndarray], resolution: str, layers: Sequence[str]
) -> dict[str, LayerChange]:
    read = {}
    for layer in layers:
        prefix = f"{resolution}/{layer}"
        size = layer_channels(layer) + 1
        gain = _joint(tensors, f"{prefix}/gain", (size,))
        read[layer] = LayerChange(gain, _joint(tensors, f"{prefix}/correlation", (size, size)))
    return read


def _joint(tensors: Mapping[str, np.ndarray], prefix: str, shape: tuple[int, ...]) -> Joint:
    kinds = ("original", "filtered", "sums")
    original, filtered, sums = (tensors[f"{prefix}/{kind}"].astype(np.float64) for kind in kinds)
    if not original.shape == filtered.shape == shape or sums.shape != (3,):
        raise ValueError(f"wrong shapes at {prefix}")
    if not all(np.isfinite(x).all() for x in (original, filtered, sums)):
        raise ValueError(f"numbers at {prefix} that are not finite")
    return Joint(original, filtered, *map(float, sums))
