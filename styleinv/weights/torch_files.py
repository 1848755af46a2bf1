"""The named tensors of a `.pth`, in torch's old format and its zip, without torch.

A `.pth` is a pickle, and a pickle is a program. Here it can name an ordered dict, a tensor and
the kind of a storage, and nothing else; these stand for records of where the numbers lie, which
are then read from the file with every size checked against what is there.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_MOST_AXES = 8
_STORAGES = {
    "ByteStorage": "|u1",
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
}


class _Storage(NamedTuple):
    dtype: str
    key: str
    numel: int

    @property
    def nbytes(self) -> int:
        return self.numel * np.dtype(self.dtype).itemsize


class _Tensor:
    """Where a tensor lies: storage, offset, size, stride, as any release of torch wrote them.

    Releases differ in when these come: with the call, or afterwards as a state; and a Parameter
    is a call with a tensor, then a state that says nothing of the numbers.
    """

    place: tuple | None = None

    def __init__(self, *state):
        self.__setstate__(state)

    def __setstate__(self, state):
        match state:
            case (_Storage(), _, _, _, *_):
                self.place = tuple(state[:4])
            case (_Tensor(place=place), *_):
                self.place = place


def _plain(keys: Iterable[Any]) -> None:
    """Refuses keys that may be slow to hash: tuples in tuples in tuples take for ever."""
    if not all(isinstance(key, str | int) for key in keys):
        raise pickle.UnpicklingError("its pickle has a key that is not a name")


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor": _Tensor,
    "torch._utils._rebuild_tensor_v2": _Tensor,
    "torch._utils._rebuild_parameter": _Tensor,
    "torch.nn.parameter.Parameter": _Tensor,
    "torch.FloatTensor": _Tensor,
    **{f"torch.{name}": dtype for name, dtype in _STORAGES.items()},
}


# The unpickler in C sets aside memory for whatever index a file names; the one in Python does not,
# and these pickles are small.
_InPython: Any = pickle._Unpickler


class _Unpickler(_InPython):
    dispatch: ClassVar = dict(_InPython.dispatch)
    # Sets hash, too; and a bytearray is set aside in the length that the file names.
    for _code in (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.BYTEARRAY8):
        del dispatch[_code[0]]

    def load_setitem(self) -> None:
        _plain(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        _plain(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        _plain(self.stack[::2])
        super().load_dict()

    def load_reduce(self) -> None:
        function, arguments = self.stack[-2:]
        if function is OrderedDict:
            _plain(key for pairs in arguments for key, _ in pairs)
        super().load_reduce()

    dispatch |= {
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.REDUCE[0]: load_reduce,
    }

    def _instantiate(self, klass: Any, args: Any) -> None:
        raise pickle.UnpicklingError("its pickle makes an object as torch never did")

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def load(self) -> Any:
        try:
            return super().load()
        except pickle.UnpicklingError:
            raise
        except Exception as error:  # a broken pickle can end in almost any
            raise pickle.UnpicklingError("its pickle is damaged or cut short") from error

    def find_class(self, module_name: str, global_name: str) -> Any:
        full_name = f"{module_name}.{global_name}"
        if full_name not in _ALLOWED:
            raise pickle.UnpicklingError(f"its pickle names {full_name}, which is not a tensor")
        return _ALLOWED[full_name]

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(dtype), str(key), _, int(numel), *view) if (
                dtype in _STORAGES.values() and numel >= 0 and not any(view)
            ):
                storage = _Storage(dtype, key, numel)
                if self.storages.setdefault(key, storage) == storage:
                    return storage
        raise pickle.UnpicklingError("its pickle names a storage that is not plain numbers")


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name; views of the file for the old format.

    Raises:
        Exception: of many types, if the file is not what it says; its text tells a person why.
    """
    with open(path, "rb") as file:
        return _read_zip(path) if file.read(2) == b"PK" else _read_legacy(file, path)


def _read_legacy(file: BinaryIO, path: Path) -> dict[str, np.ndarray]:
    file.seek(0)
    if _Unpickler(file).load() != _MAGIC_NUMBER or _Unpickler(file).load() != _PROTOCOL_VERSION:
        raise ValueError("it does not start as a file of torch.save does")
    if not _Unpickler(file).load()["little_endian"]:
        raise ValueError("its numbers are big-endian")
    unpickler = _Unpickler(file)
    state = unpickler.load()
    data = np.memmap(path, np.uint8, mode="r")
    arrays = {}
    for key in _Unpickler(file).load():
        _plain([key])
        storage = unpickler.storages.get(key)
        if storage is None:
            raise ValueError(f"its storage {key!r} belongs to no tensor")
        numel = int.from_bytes(file.read(8), "little")
        start = file.tell()
        stop = start + storage.nbytes
        if numel != storage.numel or stop > len(data):
            raise ValueError(f"a storage of {storage.nbytes:,} bytes is cut short or misdeclared")
        arrays[key] = data[start:stop].view(storage.dtype)
        file.seek(stop)
    return _tensors(state, arrays)


def _read_zip(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError("its zip is damaged or cut short")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # torch stores without compression, so nothing can unfold to more than the file holds.
        if any(m.compress_type or m.file_size != m.compress_size for m in members):
            raise ValueError("a member of its zip is compressed or lies about its size")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("its zip declares more bytes than the file has")
        pickles = [member.filename for member in members if member.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"its zip holds {len(pickles)} files called data.pkl, not one")
        root = pickles[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian")
        unpickler = _Unpickler(io.BytesIO(archive.read(pickles[0])))
        state = unpickler.load()
        arrays = {}
        for key, storage in unpickler.storages.items():
            content = archive.read(f"{root}data/{key}")  # checks its crc
            if len(content) != storage.nbytes:
                raise ValueError(
                    f"storage {key} has {len(content):,} bytes, not {storage.nbytes:,}"
                )
            arrays[key] = np.frombuffer(content, storage.dtype)
    return _tensors(state, arrays)


def _tensors(state: Any, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not isinstance(state, dict):
        raise ValueError("it does not hold named tensors")
    result = {}
    for name, tensor in dict.items(state):
        if not isinstance(name, str) or not isinstance(tensor, _Tensor) or tensor.place is None:
            raise ValueError(f"its entry {name!r} is not a tensor")
        storage, offset, size, stride = tensor.place
        flat = arrays[storage.key]
        numbers = [offset, *size, *stride]
        plain = all(type(number) is int and number >= 0 for number in numbers)
        if not plain or 0 in size or len(size) > _MOST_AXES:
            raise ValueError(f"{name} has no sensible shape")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= flat.size or math.prod(size) > flat.size:
            raise ValueError(f"{name} of shape {tuple(size)} reaches past its storage")
        strides = [step * flat.itemsize for step in stride]
        result[name] = np.lib.stride_tricks.as_strided(
            flat[offset:], size, strides, writeable=False
        )
    return result
