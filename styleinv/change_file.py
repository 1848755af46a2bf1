"""change.safetensors: the changes that one filter makes, at every resolution measured.

Tensors `RESOLUTION/LAYER/{gain,correlation}/{original,filtered}` in float32, and `.../sums` in
float64; the header says what the pairs were measured with. Equal changes are equal files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import safetensors.numpy

from styleinv import files, images
from styleinv.change import Change, Joint, LayerChange
from styleinv.errors import InputError
from styleinv.style_file import Origin, origin_of
from styleinv.vgg import layer_channels

_FORMAT = "styleinv change 1"


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
    # One entry: the library shuffles several, and equal changes should be equal files.
    files.write(path, safetensors.numpy.save(tensors, {_FORMAT: json.dumps(header)}))


def load(path: Path) -> tuple[dict[int, Change], Origin]:
    """The changes by resolution, and what they were measured with.

    Raises:
        InputError: if this is not a change file or it is damaged.
    """
    content = images.read_bytes(path)
    try:
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
        if _FORMAT not in metadata:
            raise ValueError(f"its header has no {_FORMAT}")
        header = json.loads(metadata[_FORMAT])
        tensors = safetensors.numpy.load(content)
        changes = {
            int(resolution): Change(
                int(resolution), *_weights(*numbers), _layers(tensors, resolution, header["layers"])
            )
            for resolution, numbers in header["weights"].items()
        }
        return changes, origin_of(header["origin"])
    except Exception as error:  # whatever a damaged header provokes, from whichever library
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not a change file of this program: {reason}") from None


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
