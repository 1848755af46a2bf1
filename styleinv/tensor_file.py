"""Files for users: tensors as safetensors, and in the header what they are of."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.numpy

from styleinv import files, images
from styleinv.errors import InputError, reason_of

T = TypeVar("T")


def save(path: Path, kind: str, header: Mapping[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Writes the file in one move; equal contents are equal files, byte for byte.

    Args:
        kind: "style" or "change".
    """
    # One entry: the library shuffles several.
    files.write(path, safetensors.numpy.save(tensors, {_name(kind): json.dumps(header)}))


def load(path: Path, kind: str, build: Callable[[dict[str, Any], dict[str, np.ndarray]], T]) -> T:
    """What is built of a file's header and tensors.

    Raises:
        InputError: if this is no file of this kind, it is damaged, or it cannot be built of it.
    """
    content = images.read_bytes(path)
    try:
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
        if _name(kind) not in metadata:
            raise ValueError(f"its header has no {_name(kind)}")
        return build(json.loads(metadata[_name(kind)]), safetensors.numpy.load(content))
    except Exception as error:  # whatever a damaged header provokes, from whichever library
        reason = reason_of(error)
        raise InputError(f"{path} is not a {kind} file of this program: {reason}") from None


def _name(kind: str) -> str:
    return f"styleinv {kind} 1"
