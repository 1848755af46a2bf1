"""Honest files give their tensors; all others one line, and nothing of theirs is run."""

import json
import re
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import weights_files as files

from styleinv.errors import InputError
from styleinv.weights import readers

PREFIX = Path(__file__).parents[2] / "shared/data/vgg_prefix/vgg_normalised_conv3_1.pth"


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    return {
        "features.0.weight": generator.standard_normal((4, 3, 3, 3), np.float32),
        "features.0.bias": generator.standard_normal(4, np.float32),
        "half": generator.standard_normal(5).astype(np.float16),
        "bytes": generator.integers(0, 255, (2, 3), np.uint8),
    }


def assert_refused(path, match, reader=None):
    with pytest.raises(InputError, match=match) as refusal:
        readers.read(path, reader)
    assert "\n" not in str(refusal.value)
    assert path.name in str(refusal.value)


def assert_equal(actual, desired):
    assert list(actual) == list(desired)
    for name, array in desired.items():
        np.testing.assert_array_equal(actual[name], array)


def test_read_gives_the_tensors_of_an_old_torch_file(tmp_path, arrays):
    assert_equal(readers.read(files.save_legacy(tmp_path / "a.pth", arrays)), arrays)


def test_read_gives_the_tensors_of_a_torch_zip(tmp_path, arrays):
    assert_equal(readers.read(files.save_zip(tmp_path / "a.pth", arrays), "torch"), arrays)


def test_read_gives_the_tensors_of_a_safetensors_file(tmp_path, arrays):
    safetensors.numpy.save_file(arrays, tmp_path / "a.safetensors")
    actual = readers.read(tmp_path / "a.safetensors")
    assert_equal(dict(sorted(actual.items())), dict(sorted(arrays.items())))


def test_read_gives_the_tensors_of_a_keras_file(tmp_path, arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/kernel:0"] = arrays["features.0.weight"]
    actual = readers.read(tmp_path / "a.h5")
    assert_equal(actual, {"group/kernel:0": arrays["features.0.weight"]})


@pytest.mark.skipif(not PREFIX.exists(), reason="the published file is not here")
def test_read_gives_the_tensors_of_a_published_file():
    actual = {name: tensor.shape for name, tensor in readers.read(PREFIX).items()}
    assert actual["0.weight"] == (3, 3, 1, 1)
    assert actual["16.weight"] == (256, 128, 3, 3)


def test_read_leaves_out_the_fully_connected_layers(tmp_path, arrays):
    more = arrays | {"classifier.0.weight": np.zeros((2, 2), np.float32)}
    assert_equal(readers.read(files.save_legacy(tmp_path / "a.pth", more)), arrays)


def _first_release(array, key):
    return files.Call(files.Global("torch._utils", "_rebuild_tensor"), files.place(array, key))


def _state_afterwards(array, key):
    empty = files.Call(files.Global("torch", "FloatTensor"), ())
    return files.Built(empty, files.place(array, key, None))


def _parameter(array, key):
    parameter = files.Global("torch.nn.parameter", "Parameter")
    call = files.Call(parameter, (_state_afterwards(array, key),))
    return files.Built(call, (True, False, None))


def _variable(array, key):
    empty = files.Call(files.Global("torch.nn.parameter", "Parameter"), ())
    return files.Built(empty, (_first_release(array, key), None, None, True, False))


def _rebuilt_parameter(array, key):
    function = files.Global("torch._utils", "_rebuild_parameter")
    return files.Call(function, (files.tensor(array, key, None), True, None))


@pytest.mark.parametrize(
    "make", [_first_release, _state_afterwards, _parameter, _variable, _rebuilt_parameter]
)
def test_read_knows_how_earlier_torch_wrote_tensors(tmp_path, arrays, make):
    path = files.save_legacy(tmp_path / "a.pth", arrays, make)
    assert_equal(readers.read(path), arrays)


def test_read_follows_strides(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    path = tmp_path / "a.pth"
    files.save_legacy(path, {"a": array}, tail=(6).to_bytes(8, "little") + array.T.tobytes())
    np.testing.assert_array_equal(readers.read(path)["a"], array)


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("module", ["os", "posix", "builtins", "torch.hub"])
def test_read_runs_nothing_in_any_pickle_of_an_old_file(tmp_path, arrays, index, module):
    name = {"os": "system", "posix": "system", "builtins": "eval"}.get(module, "load")
    target = tmp_path / "executed"
    call = files.Call(files.Global(module, name), (f"open({str(target)!r}, 'w')",))
    path = tmp_path / "a.pth"
    files.save_legacy(path, arrays, pickles={index: files.dumps(call)})
    assert_refused(path, re.escape(f"names {module}.{name}, which is not a tensor"))
    assert not target.exists()


def test_read_runs_nothing_in_the_pickle_of_a_zip(tmp_path, arrays):
    target = tmp_path / "executed"
    call = files.Call(files.Global("os", "system"), (f"touch {target}",))
    path = files.save_zip(tmp_path / "a.pth", arrays, state={"a": call})
    assert_refused(path, r"names os\.system, which is not a tensor")
    assert not target.exists()


def test_read_refuses_a_class_named_by_other_opcodes(tmp_path, arrays):
    by_stack = b"\x80\x04\x8c\x02os\x8c\x06system\x93."
    path = files.save_legacy(tmp_path / "a.pth", arrays, pickles={3: by_stack})
    assert_refused(path, r"names os\.system")
    instance = b"\x80\x02(ios\nsystem\n."
    path = files.save_legacy(tmp_path / "b.pth", arrays, pickles={3: instance})
    assert_refused(path, r"names os\.system")


def test_read_changes_nothing_that_a_pickle_may_name(tmp_path, arrays):
    ordered = files.Global("collections", "OrderedDict")
    for number, state in enumerate([{"popitem": 1}, (None, {"popitem": 1})]):
        content = files.dumps({"a": files.Built(ordered, state)})
        path = files.save_legacy(tmp_path / f"{number}.pth", arrays, pickles={3: content})
        assert_refused(path, "was refused as a torch file")


def test_read_is_not_led_to_set_memory_aside(tmp_path, arrays):
    memo = b"\x80\x02}r\xff\xff\xff\x7f."  # keep an empty dict as number 2,147,483,647
    path = files.save_legacy(tmp_path / "a.pth", arrays, pickles={3: memo, 4: b"\x80\x02]."})
    assert readers.read(path) == {}


_ENDLESS = b"\x80\x02)" + b"2\x86" * 64  # a tuple of itself and itself, in 130 bytes


@pytest.mark.parametrize(
    ("index", "content", "message"),
    [
        (3, b"\x80\x02}(" + _ENDLESS[2:] + b"K\1u.", "has a key that is not a name"),
        (3, b"\x80\x02}" + _ENDLESS[2:] + b"K\1s.", "has a key that is not a name"),
        (3, b"\x80\x02(" + _ENDLESS[2:] + b"K\1d.", "has a key that is not a name"),
        (3, b"\x80\x02ccollections\nOrderedDict\n](](" + _ENDLESS[2:] + b"K\1ee\x85R.", "a key"),
        (4, b"\x80\x02](" + _ENDLESS[2:] + b"e.", "has a key that is not a name"),
        (3, b"\x80\x04\x8f(" + _ENDLESS[2:] + b"\x90.", "damaged"),
        (3, b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".", "damaged"),
        (3, b"\x80\x02(ccollections\nOrderedDict\no.", "makes an object as torch never did"),
    ],
    ids=["items", "item", "dict", "ordered", "keys", "set", "bytearray", "object"],
)
def test_read_refuses_a_pickle_that_takes_for_ever(tmp_path, arrays, index, content, message):
    path = files.save_legacy(tmp_path / "a.pth", arrays, pickles={index: content})
    assert_refused(path, message)


def test_read_knows_an_ordered_dict_as_python_2_wrote_it(tmp_path, arrays):
    pairs = [[name, files.tensor(a, str(i))] for i, (name, a) in enumerate(arrays.items())]
    state = files.Call(files.Global("collections", "OrderedDict"), (pairs,))
    path = files.save_legacy(tmp_path / "a.pth", arrays, pickles={3: files.dumps(state)})
    assert_equal(readers.read(path), arrays)


def test_read_refuses_a_tensor_of_many_axes(tmp_path):
    array = np.zeros(8, np.float32)
    rebuild = files.Global("torch._utils", "_rebuild_tensor")
    call = files.Call(rebuild, (files.storage(array, "0"), 0, (1,) * 9, (1,) * 9))
    path = files.save_legacy(tmp_path / "a.pth", {"a": array}, lambda *_: call)
    assert_refused(path, "has no sensible shape")


def test_read_refuses_a_keras_file_that_unfolds(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["real"] = np.zeros(10_000, np.float32)
        for number in range(100):  # none is ever written, and each is smaller than the file
            file.create_dataset(f"unwritten {number}", 10_000, np.float32)
    assert_refused(tmp_path / "a.h5", "unfolds to 40,000 bytes")


@pytest.mark.parametrize("keep", [0, 1, 5, 20, 200, 1000, -1, -100])
@pytest.mark.parametrize("save", [files.save_legacy, files.save_zip])
def test_read_refuses_a_truncated_torch_file(tmp_path, arrays, save, keep):
    path = save(tmp_path / "a.pth", arrays)
    path.write_bytes(path.read_bytes()[:keep])
    assert_refused(path, "is not a file of weights|cut short|names t., which is not")


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((1000, 1000), (1000, 1), 0),
        ((5,), (1,), 4),
        ((2,), (100,), 0),
        ((10**9,), (0,), 0),
        ((-1,), (1,), 0),
        ((2,), (-1,), 1),
        ((2,), (1,), -1),
        ((0,), (1,), 0),
        ((2, 2), (1,), 0),
        (("2",), (1,), 0),
        (7, 1, 0),
    ],
)
def test_read_refuses_a_tensor_outside_its_storage(tmp_path, size, stride, offset):
    array = np.zeros(8, np.float32)
    rebuild = files.Global("torch._utils", "_rebuild_tensor")
    call = files.Call(rebuild, (files.storage(array, "0"), offset, size, stride))
    path = files.save_legacy(tmp_path / "a.pth", {"a": array}, lambda *_: call)
    assert_refused(path, "was refused as a torch file")


def test_read_refuses_a_storage_without_a_tensor(tmp_path, arrays):
    path = files.save_legacy(tmp_path / "a.pth", arrays, pickles={4: files.dumps(["0", "9"])})
    assert_refused(path, "its storage '9' belongs to no tensor")


def test_read_refuses_a_storage_that_lies(tmp_path):
    array = np.zeros(8, np.float32)
    path = tmp_path / "a.pth"
    files.save_legacy(path, {"a": array}, tail=(10**12).to_bytes(8, "little") + array.tobytes())
    assert_refused(path, "32 bytes is cut short or misdeclared")


@pytest.mark.parametrize(
    "pid",
    [
        ("storage", "|O", "0", "cpu", 8),
        ("storage", files.Global("torch", "FloatStorage"), "0", "cpu", -8),
        ("storage", files.Global("torch", "FloatStorage"), "0", "cpu", 8, ("1", 0, 8)),
        ("module", files.Global("torch", "FloatStorage"), "0", "cpu", 8),
        "storage",
    ],
)
def test_read_refuses_a_storage_that_is_not_numbers(tmp_path, pid):
    content = files.dumps({"a": files.Persistent(pid)})
    path = files.save_legacy(tmp_path / "a.pth", {}, pickles={3: content})
    assert_refused(path, "names a storage that is not plain numbers")


def test_read_refuses_what_is_not_a_tensor(tmp_path):
    path = files.save_legacy(tmp_path / "a.pth", {}, pickles={3: files.dumps({"epoch": 3})})
    assert_refused(path, "its entry 'epoch' is not a tensor")


def test_read_refuses_big_endian(tmp_path, arrays):
    system = files.dumps(files.SYSTEM | {"little_endian": False})
    path = files.save_legacy(tmp_path / "a.pth", arrays, pickles={2: system})
    assert_refused(path, "big-endian")


def test_read_refuses_a_compressed_zip(tmp_path, arrays):
    path = files.save_zip(tmp_path / "a.pth", arrays, compression=zipfile.ZIP_DEFLATED)
    assert_refused(path, "compressed or lies about its size")


def test_read_refuses_a_zip_that_lies_about_sizes(tmp_path, arrays):
    path = files.save_zip(tmp_path / "a.pth", arrays)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    for start in (entry + 20, entry + 24):  # compressed and plain size of the second member
        content[start : start + 4] = (10**9).to_bytes(4, "little")
    path.write_bytes(content)
    assert_refused(path, "more bytes than the file has")


def test_read_refuses_a_zip_with_damaged_data(tmp_path, arrays):
    path = files.save_zip(tmp_path / "a.pth", arrays)
    kernel = arrays["features.0.weight"].tobytes()
    path.write_bytes(path.read_bytes().replace(kernel, bytes(len(kernel))))
    assert_refused(path, "CRC")


def test_read_refuses_a_zip_with_a_shorter_storage(tmp_path, arrays):
    state = {"a": files.tensor(np.zeros(1000, np.float32), "1")}
    path = files.save_zip(tmp_path / "a.pth", arrays, state=state)
    assert_refused(path, "storage 1 has 16 bytes, not 4,000")


def test_read_refuses_a_zip_without_tensors(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert_refused(path, "holds 0 files called data.pkl")


def _header(**changes):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes
    return json.dumps({"a": entry}).encode()


@pytest.mark.parametrize(
    "content",
    [
        (10**15).to_bytes(8, "little") + _header() + bytes(8),
        len(_header()).to_bytes(8, "little") + _header() + bytes(7),
        len(_header()).to_bytes(8, "little") + _header() + bytes(9),
        len(_header(shape=[3])).to_bytes(8, "little") + _header(shape=[3]) + bytes(8),
        len(_header(data_offsets=[0, 10**9])).to_bytes(8, "little")
        + _header(data_offsets=[0, 10**9])
        + bytes(8),
        len(_header(data_offsets=[8, 0])).to_bytes(8, "little")
        + _header(data_offsets=[8, 0])
        + bytes(8),
        len(_header(dtype="PICKLE")).to_bytes(8, "little") + _header(dtype="PICKLE") + bytes(8),
        (9).to_bytes(8, "little") + b"{" + bytes(8),
    ],
    ids=["length", "short", "long", "shape", "end", "backwards", "dtype", "json"],
)
def test_read_refuses_a_safetensors_header_that_lies(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert_refused(path, "was refused as a safetensors file")


def test_read_refuses_a_keras_file_that_points_elsewhere(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    (tmp_path / "secret").write_bytes(bytes(8))
    with h5py.File(path, "w") as file:
        outside = [(str(tmp_path / "secret"), 0, 8)]
        file.create_dataset("a", (2,), "f4", external=outside)
    assert_refused(path, "a points to another file")


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"shape": (1 << 40,), "dtype": "f4"}, "unfolds to 4,398,046,511,104 bytes"),
        ({"shape": (8,), "dtype": "f4", "chunks": (8,)}, "unfolds to 32 bytes"),
        ({"data": ["text"]}, "does not hold numbers"),
    ],
)
def test_read_refuses_a_keras_file_of_more_than_plain_numbers(tmp_path, keywords, match):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", **keywords)
    assert_refused(path, match)


def test_read_refuses_a_truncated_keras_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(1000)
    path.write_bytes(path.read_bytes()[:-100])
    assert_refused(path, "was refused as a keras file")


def test_read_says_which_extra_reads_a_keras_file(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'styleinv\[keras\]'"):
        readers.read(path)


@pytest.mark.parametrize("content", [b"", b"hello world", b"\x89PNG\r\n\x1a\n"])
def test_read_refuses_other_files(tmp_path, content):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert_refused(path, r"does not start as: torch, safetensors, keras\)")


def test_read_refuses_another_kind_than_the_source_has(tmp_path, arrays):
    path = files.save_legacy(tmp_path / "a.pth", arrays)
    assert_refused(path, "does not start as: safetensors", reader="safetensors")


def test_read_refuses_a_missing_file(tmp_path):
    assert_refused(tmp_path / "a.pth", "cannot be read: No such file")


def test_read_keeps_control_characters_out_of_its_message(tmp_path):
    call = files.Global("os\x1b[2J", "system")
    path = files.save_legacy(tmp_path / "a.pth", {}, pickles={3: files.dumps(call)})
    with warnings.catch_warnings(), pytest.raises(InputError) as refusal:
        readers.read(path)
    assert str(refusal.value).isprintable()
