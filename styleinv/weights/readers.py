"""A file of weights to its named tensors; whatever is not plain tensors ends in one line.

read(path)           -> {name: array}, by the file's first bytes or the reader that is named
read_metadata(path)  -> {name: text} of a safetensors file
require(reader)      -> an error early, if a reader lacks its library
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from styleinv.errors import InputError, reading, reason_of
from styleinv.weights.torch_files import read_torch

# The fully connected layers, most of the bytes of a file that has them. timm's are convolutions.
_UNUSED = ("classifier.", "head.", "pre_logits.")


def read(path: Path, reader: str | None = None) -> dict[str, np.ndarray]:
    """The tensors of `path` by name, without the fully connected layers.

    Raises:
        InputError: one line, if the file is missing, cut short, or holds anything but tensors.
    """
    with reading(path):
        kind = _kind(path)
    if kind is None or reader not in (None, kind):
        expected = reader or ", ".join(READERS)
        raise InputError(f"{path} is not a file of weights (it does not start as: {expected})")
    try:
        return READERS[kind](path)
    except InputError:
        raise
    except Exception as error:  # a hostile file chooses the type; it always means the same
        why = reason_of(error, 200)
        raise InputError(f"{path} was refused as a {kind} file: {why}") from error


def read_metadata(path: Path) -> dict[str, str]:
    """The text in the header of a safetensors file that `read` has accepted."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.metadata() or {}


def require(reader: str) -> None:
    """Raises an InputError if `reader` needs a library that is not installed."""
    if reader == "keras" and importlib.util.find_spec("h5py") is None:
        raise InputError(
            "the weights of Keras need h5py, which is not installed; pip install 'styleinv[keras]'"
        )


def _kind(path: Path) -> str | None:
    with open(path, "rb") as file:
        start = file.read(9)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras"
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return "torch"
    return "safetensors" if start[8:] == b"{" else None


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    tensors = read_torch(path)
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_UNUSED)}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = [name for name in file.keys() if not name.startswith(_UNUSED)]  # noqa: SIM118
        return {name: file.get_tensor(name) for name in names}


def _read_keras(path: Path) -> dict[str, np.ndarray]:
    require("keras")
    import h5py

    size, tensors = path.stat().st_size, {}

    def visit(name, item):
        if not isinstance(item, h5py.Dataset):
            return
        if item.is_virtual or item.external:
            raise ValueError(f"{name} points to another file")
        if item.chunks or item.nbytes + sum(t.nbytes for t in tensors.values()) > size:
            raise ValueError(f"{name} unfolds to {item.nbytes:,} bytes")
        if item.dtype.kind not in "fiu":
            raise ValueError(f"{name} does not hold numbers")
        tensors[name] = item[()]

    with h5py.File(path, "r") as file:
        file.visititems(visit)  # follows neither soft nor external links
    return tensors


READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    "torch": _read_torch,
    "safetensors": _read_safetensors,
    "keras": _read_keras,
}
