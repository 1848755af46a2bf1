"""Converted weights, kept as safetensors in the user's cache folder.

A file comes into being whole, under its final name, or not at all; and it is used only if its
numbers still have the digest that was written beside them.
"""

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from styleinv.errors import InputError
from styleinv.weights import layouts, readers
from styleinv.weights.convolutions import Weights

_LOG = logging.getLogger(__name__)
_VARIABLE = "STYLEINV_CACHE"
_ABOUT = ("name", "network", "credit", "family", "digest")  # the header of a converted file
_STALE = 24 * 3600  # seconds after which an unfinished file has no writer any more


def folder() -> Path:
    """`STYLEINV_CACHE`, or `styleinv` in the folder where this system keeps caches."""
    if chosen := os.environ.get(_VARIABLE):
        return Path(os.path.expanduser(chosen))
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        home = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
        caches = os.environ.get("XDG_CACHE_HOME") or home
    return Path(os.path.expanduser(caches), "styleinv")


def path_of(network: str, name: str, digest: str) -> Path:
    """Where the converted weights of a source are kept; another digest, another file."""
    return folder() / "weights" / f"{network}-{name}-{digest.rpartition(':')[2][:8]}.safetensors"


def read_cached(path: Path, network: str) -> Weights | None:
    """The weights in `path`, or None if it is missing or damaged, which is logged."""
    if not os.path.exists(path):
        return None
    try:
        return read_converted(path, network)
    except InputError as error:
        _LOG.warning("%s; fetching it again", error)
        return None


def read_converted(path: Path, network: str) -> Weights:
    """The weights in a file that `write` made.

    Raises:
        InputError: if its numbers are not those that were written, or are another network's.
    """
    tensors = readers.read(path, "safetensors")
    about = readers.read_metadata(path)
    if not about.keys() >= set(_ABOUT) or not "".join(about.values()).isprintable():
        raise InputError(f"{path} does not say where its weights come from; convert them again")
    if network != about["network"]:
        raise InputError(f"{path} holds a {about['network']}, not a {network}")
    weights = layouts.assemble(
        tensors,
        layout="styleinv",
        preprocessing="in the file",
        name=about["name"],
        network=network,
        credit=about["credit"],
        family=about["family"],
        where=str(path),
    )
    if weights.digest != about["digest"]:
        raise InputError(f"{path} is damaged: its numbers are not those that were written")
    return weights


def write(weights: Weights, path: Path) -> None:
    """Puts `weights` into `path` in one step; concurrent writers cannot harm each other."""
    from safetensors.numpy import save

    tensors = {f"{name}.kernel": kernel for name, kernel in weights.kernels.items()}
    tensors |= {f"{name}.bias": bias for name, bias in weights.biases.items()}
    tensors |= {"matrix": weights.matrix, "offset": weights.offset}
    about = {key: getattr(weights, key) for key in _ABOUT}
    with workspace(path.parent) as temporary:
        with open(temporary / path.name, "wb") as file:
            file.write(save(tensors, metadata=about))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary / path.name, path)


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """A folder of one's own inside `parent`, which is made if need be, gone afterwards.

    Raises:
        InputError: if `parent` cannot be written, or is full.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for old in parent.glob(".unfinished-*"):  # of writers that were killed
            with suppress(FileNotFoundError):  # another process may be at it
                if time.time() - old.stat().st_mtime > _STALE:
                    shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=parent) as temporary:
            yield Path(temporary)
    except OSError as error:
        raise InputError(
            f"{parent} cannot be written ({error.strerror or error}); "
            f"set {_VARIABLE} to a folder that can, with room for the weights"
        ) from error
