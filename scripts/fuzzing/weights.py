"""Files of weights: pickles that name functions, zips and HDF5 that lie, and damaged ones."""

import io
import pickle
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import weights_files
from hypothesis import strategies as st
from weights_files import Built, Call, Global, Persistent

from fuzzing.edits import edited
from fuzzing.target import Target

_OWNED = "touch owned"
_HOSTILE = [
    Call(Global("os", "system"), (_OWNED,)),
    Call(Global("posix", "system"), (_OWNED,)),
    Call(Global("subprocess", "Popen"), (["touch", "owned"],)),
    Call(Global("builtins", "eval"), (f"__import__('os').system({_OWNED!r})",)),
    Call(Global("builtins", "exec"), ("open('owned', 'w')",)),
    Call(Global("builtins", "open"), ("owned", "w")),
    Call(Global("builtins", "getattr"), (Global("os", "path"), "join")),
    Call(Global("shutil", "rmtree"), ("outside",)),
    Call(Global("torch.hub", "load"), ("x", "y")),
    Call(Global("torch", "load"), ("x",)),
    Call(Global("collections", "OrderedDict"), ([["a", 1]],)),
    Global("torch._utils", "_rebuild_tensor_v2"),
    Global("torch", "FloatStorage"),
    Global("torch", "os.system"),
    Global("collections", "OrderedDict.fromkeys"),
]


def target() -> Target:
    """Valid files hold the first convolution, in each layout that a source has."""
    valid = _valid()
    odd = st.one_of(
        edited(list(valid.values())),
        edited([valid["zip"], valid["legacy"]]),
        _pickles(valid),
        _zips(),
    )
    return Target(odd.map(lambda content: {"weights.bin": content}), use)


def use(folder: Path) -> None:
    """What a run does with a path to weights."""
    from styleinv import weights

    loaded = weights.load(str(folder / "weights.bin"))
    assert all(np.isfinite(kernel).all() for kernel in loaded.kernels.values())


def _arrays(codebook: bool = False) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(64, 3, 3, 3)).astype(np.float32)
    bias = np.zeros(64, np.float32)
    if codebook:
        levels = generator.integers(0, 256, kernel.shape, np.uint8)
        table = np.linspace(-1, 1, 256, dtype=np.float32)
        name = "block1_conv1"
        return {f"{name}_W_q": levels, f"{name}_W_table": table, f"{name}_b": bias}
    return {"features.0.weight": kernel, "features.0.bias": bias}


def _valid() -> dict[str, bytes]:
    import h5py
    from safetensors.numpy import save

    from styleinv.weights import cache, layouts

    arrays = _arrays()
    kernel, bias = arrays.values()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        found = {
            "legacy": weights_files.save_legacy(path, arrays).read_bytes(),
            "zip": weights_files.save_zip(path, arrays).read_bytes(),
            "codebook": weights_files.save_legacy(path, _arrays(codebook=True)).read_bytes(),
            "safetensors": save(arrays, {"format": "pt"}),
        }
        name = "block1_conv1"
        with h5py.File(path, "w") as file:
            file[f"{name}/{name}_W_1:0"] = kernel.transpose(2, 3, 1, 0)
            file[f"{name}/{name}_b_1:0"] = bias
        found["keras"] = path.read_bytes()
        with h5py.File(path, "w") as file:
            file[f"{name}/{name}_W_1:0"] = h5py.ExternalLink("../outside/secret.h5", "/a")
            file[f"{name}/{name}_b_1:0"] = bias
        found["keras with a link"] = path.read_bytes()
        about = {"preprocessing": "imagenet", "name": "a", "network": "vgg19", "family": "random"}
        parts = layouts.assemble(arrays, layout="features", credit="", where="", **about)
        cache.write(parts, path)
        return found | {"styleinv": path.read_bytes()}


def _pickles(valid: dict[str, bytes]) -> st.SearchStrategy[bytes]:
    """Pickles of anything, also in the places of a file's five, and opcodes in any order."""
    array = np.zeros(4, np.float32)
    leaf = st.one_of(
        st.sampled_from([*_HOSTILE, weights_files.storage(array, "0")]),
        st.sampled_from([weights_files.tensor(array, "0"), Persistent(("storage",)), None, True]),
        st.integers(),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    )
    key = st.sampled_from(["features.0.weight", "features.0.bias", "little_endian", "place", "a"])

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(key, inner, max_size=3),
            st.builds(Call, st.one_of(st.sampled_from(_HOSTILE[-5:]), inner), st.tuples(inner)),
            st.builds(Built, st.sampled_from(_HOSTILE[:10]), inner),
            st.tuples(inner, inner).map(Persistent),
        )

    value = st.recursive(leaf, deeper, max_leaves=8).map(weights_files.dumps)
    soup = st.lists(st.one_of(_opcodes(), _opcodes(), st.just(b"2\x86"), st.just(b"2\x86" * 40)))
    soup = soup.map(lambda parts: b"\x80\x02)" + b"".join(parts) + b".")
    either = st.one_of(value, soup)
    return st.one_of(
        either,
        st.builds(_legacy, st.integers(0, 4), either),
        st.builds(_zip, either, st.just(valid["zip"])),
    )


def _opcodes() -> st.SearchStrategy[bytes]:
    """An opcode with an argument that it may have; the long ones claim gigabytes."""
    codes = [bytes([code]) for code in range(256)]
    arguments = [b"", b"0\n", b"1\n", b"a\n", b"posix\nsystem\n", b"\x02ab", b"\0", b"\xff" * 4]
    arguments += [(1 << 33).to_bytes(8, "little"), (1 << 30).to_bytes(4, "little"), b"\x02\0\0\0ab"]
    known = [
        b"(",
        b")",
        b"]",
        b"}",
        b"t",
        b"d",
        b"s",
        b"u",
        b"R",
        b"b",
        b"Q",
        b"2",
        b"\x86",
        b"q\0",
    ]
    known += [b"h\0", b"\x96" + (1 << 33).to_bytes(8, "little"), b"ctorch\nFloatStorage\n", b"\x8f"]
    known += [b"ccollections\nOrderedDict\n", b"X\1\0\0\0a", b"K\1", b"\x91", b"\x81", b"0", b"e"]
    any_one = st.builds(lambda code, rest: code + rest, *map(st.sampled_from, (codes, arguments)))
    return st.one_of(st.sampled_from(known), st.sampled_from(known), any_one)


def _legacy(index: int, content: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = weights_files.save_legacy(Path(folder) / "a", _arrays(), pickles={index: content})
        return path.read_bytes()


def _zip(content: bytes, valid: bytes) -> bytes:
    """The valid file with another pickle in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(valid)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith("data.pkl") else old.read(name))
    return buffer.getvalue()


def _zips() -> st.SearchStrategy[bytes]:
    """Archives with members that unfold, climb, repeat or are left out."""
    state = weights_files.dumps(
        {name: weights_files.tensor(a, str(i)) for i, (name, a) in enumerate(_arrays().items())}
    )
    datas = [state, b"little", b"big", b"", bytes(1 << 24), pickle.dumps({}), bytes(256)]
    datas += [array.tobytes() for array in _arrays().values()]
    names = [
        "a/data.pkl",
        "a/byteorder",
        "a/data/0",
        "a/data/1",
        "../owned",
        "/owned",
        "b/data.pkl",
    ]
    members = st.lists(
        st.tuples(
            st.sampled_from(names),
            st.sampled_from(datas),
            st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
        ),
        max_size=6,
    )
    return members.map(_archive)


def _archive(members: list[tuple[str, bytes, int]]) -> bytes:
    import warnings

    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, data, compression in members:
            archive.writestr(name, data, compression)
    return buffer.getvalue()
