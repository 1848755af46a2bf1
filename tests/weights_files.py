"""Files as torch writes them, byte by byte and without torch, honest or not."""

import pickle
import zipfile
from typing import Any, NamedTuple

import numpy as np

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4}}


class Global(NamedTuple):
    module: str
    name: str


class Call(NamedTuple):
    function: Any
    arguments: tuple


class Built(NamedTuple):
    """A call whose result then gets a state."""

    call: Call
    state: Any


class Persistent(NamedTuple):
    pid: tuple


def encode(value: Any) -> bytes:
    """The opcodes (protocol 2) that push `value`."""
    match value:
        case Global(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, arguments):
            return encode(function) + encode(tuple(arguments)) + b"R"
        case Built(call, state):
            return encode(call) + encode(state) + b"b"
        case Persistent(pid):
            return encode(pid) + b"Q"
        case dict():
            return b"}(" + b"".join(encode(k) + encode(v) for k, v in value.items()) + b"u"
        case tuple():
            return b"(" + b"".join(map(encode, value)) + b"t"
        case list():
            return b"](" + b"".join(map(encode, value)) + b"e"
        case _:
            return pickle.dumps(value, 2)[2:-1]


def dumps(value: Any) -> bytes:
    return b"\x80\x02" + encode(value) + b"."


def storage(array: np.ndarray, key: str, *more) -> Persistent:
    kind = {"f4": "FloatStorage", "f2": "HalfStorage", "f8": "DoubleStorage", "u1": "ByteStorage"}
    kind = Global("torch", kind[array.dtype.str[1:]])
    return Persistent(("storage", kind, key, "cpu", array.size, *more))


def place(array: np.ndarray, key: str, *more) -> tuple:
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return (storage(array, key, *more), 0, array.shape, strides)


def tensor(array: np.ndarray, key: str, *more) -> Call:
    hooks = Call(Global("collections", "OrderedDict"), ())
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, (*place(array, key, *more), False, hooks))


def save_legacy(path, arrays: dict[str, np.ndarray], make=tensor, pickles=None, tail=None):
    """What torch.save wrote until 2020. `pickles` replaces any of its five; `tail`, the data."""
    state = {name: make(array, str(key)) for key, (name, array) in enumerate(arrays.items())}
    keys = [str(key) for key in range(len(arrays))]
    parts = [dumps(value) for value in (MAGIC_NUMBER, 1001, SYSTEM, state, keys)]
    for index, content in (pickles or {}).items():
        parts[index] = content
    data = b"".join(a.size.to_bytes(8, "little") + a.tobytes() for a in arrays.values())
    path.write_bytes(b"".join(parts) + (data if tail is None else tail))
    return path


def save_zip(path, arrays: dict[str, np.ndarray], state=None, compression=zipfile.ZIP_STORED):
    """What torch.save writes since 2020."""
    honest = {name: tensor(array, str(key)) for key, (name, array) in enumerate(arrays.items())}
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("vgg/data.pkl", dumps(honest if state is None else state))
        archive.writestr("vgg/byteorder", "little")
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"vgg/data/{key}", array.tobytes())
        archive.writestr("vgg/version", "3\n")
    return path
