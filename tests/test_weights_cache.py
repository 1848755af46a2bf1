"""The cache is whole or empty, whoever writes and whoever dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from styleinv import weights
from styleinv.errors import InputError
from styleinv.weights import cache, fetch, loading

ROOT = Path(__file__).parents[1]
LOAD = "from styleinv import weights; print(weights.load('default').digest)"


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEINV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small():
    """Weights of conv1_1 alone."""
    noise = weights.load("random")
    kernels = {"conv1_1": noise.kernels["conv1_1"]}
    biases = {"conv1_1": noise.biases["conv1_1"]}
    return weights.Weights(
        "small", "vgg19", kernels, biases, noise.matrix, noise.offset, "nobody", "random"
    )


def start(code):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(folder):
    return [path.name for path in sorted(folder.rglob("*")) if path.is_file()]


def test_two_processes_fill_an_empty_cache_at_once(empty):
    processes = [start(LOAD), start(LOAD)]
    digests = set()
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        digests.add(output.strip())
    (source,) = [source for source in weights.SOURCES if source.name == "default"]
    assert digests == {source.tensors}
    assert contents(empty) == ["vgg19-default-3ee41390.safetensors"]
    assert (
        cache.read_converted(next(empty.rglob("*.safetensors")), "vgg19").digest == source.tensors
    )


def test_write_and_read_give_the_same_weights(tmp_path, small):
    cache.write(small, tmp_path / "a.safetensors")
    actual = cache.read_converted(tmp_path / "a.safetensors", "vgg19")
    assert actual.digest == small.digest
    for field in ("name", "network", "credit", "family"):
        assert getattr(actual, field) == getattr(small, field)


def test_a_killed_writer_leaves_no_broken_file(empty):
    code = (
        "import os, signal\n"
        "from styleinv import weights\n"
        "from styleinv.weights import cache\n"
        "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)\n"
        "path = cache.path_of('vgg19', 'random', 'seed:0')\n"
        "cache.write(weights.load('random'), path)\n"
    )
    process = start(code)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    path = cache.path_of("vgg19", "random", "seed:0")
    assert cache.read_cached(path, "vgg19") is None
    cache.write(weights.load("random"), path)
    assert cache.read_converted(path, "vgg19").name == "random"


def test_what_killed_writers_leave_goes_away(tmp_path, small):
    old, young = tmp_path / ".unfinished-old", tmp_path / ".unfinished-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "part").touch()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    cache.write(small, tmp_path / "a.safetensors")
    assert contents(tmp_path) == ["part", "a.safetensors"]
    assert young.exists()


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "foreign"])
def test_load_fetches_a_damaged_file_again(empty, small, monkeypatch, caplog, damage):
    (source,) = [source for source in weights.SOURCES if source.name == "default"]
    path = cache.path_of(source.network, source.name, source.digest)
    cache.write(small, path)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    damaged = {"truncated": content[:-7], "changed": content, "empty": b""}
    damaged["foreign"] = safetensors.numpy.save({"a": np.zeros(2)})
    path.write_bytes(damaged[damage])
    monkeypatch.setattr(fetch, "fetch", lambda *_: None)
    monkeypatch.setattr(loading, "_convert", lambda *_: small)
    assert weights.load("default").digest == small.digest
    assert "fetching it again" in caplog.text
    assert cache.read_converted(path, "vgg19").digest == small.digest


def test_load_reads_a_converted_file_by_its_path(tmp_path, small):
    path = tmp_path / "mine.safetensors"
    cache.write(small, path)
    actual = weights.load(str(path))
    assert (actual.name, actual.credit, actual.digest) == (path.name, "nobody", small.digest)
    with pytest.raises(InputError, match="holds a vgg19, not a vgg16"):
        weights.load(str(path), "vgg16")


def test_read_converted_refuses_changed_numbers(tmp_path, small):
    path = tmp_path / "mine.safetensors"
    cache.write(small, path)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged: its numbers are not those"):
        weights.load(str(path))


def test_load_says_which_variable_moves_the_cache(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLEINV_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(fetch, "fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\); set STYLEINV_C"):
        weights.load("default")


def test_write_says_that_the_disk_is_full(tmp_path, small, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        cache.write(small, tmp_path / "a.safetensors")
    assert contents(tmp_path) == []


@pytest.mark.parametrize(
    ("platform", "variables", "desired"),
    [
        ("linux", {"STYLEINV_CACHE": "/there"}, "/there"),
        ("linux", {"STYLEINV_CACHE": "~/there"}, "/home/me/there"),
        ("linux", {"STYLEINV_CACHE": "~no-such-user/x"}, "~no-such-user/x"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/styleinv"),
        ("linux", {}, "/home/me/.cache/styleinv"),
        ("darwin", {}, "/home/me/Library/Caches/styleinv"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/styleinv"),
    ],
)
def test_folder_is_where_the_system_keeps_caches(monkeypatch, platform, variables, desired):
    for variable in ("STYLEINV_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in ({"HOME": "/home/me"} | variables).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache.folder() == Path(desired)
