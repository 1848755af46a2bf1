"""Safetensors files near valid ones: another header, other tensors, other bytes."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import strategies as st
from safetensors.numpy import load, save

from fuzzing.edits import edited
from fuzzing.objects import odd_json

_ODD = [np.full(3, np.nan), np.zeros(0), np.zeros(()), np.ones((3, 3)), np.ones((1, 64, 64))]
_ODD += [np.full((64, 64), np.inf), np.ones(4096), np.array([True])]
_TYPES = [np.float32, np.float64, np.float16, np.int64, np.uint8]
_EDITS = st.tuples(
    st.sampled_from(["replace", "drop", "rename", "add", "as"]),
    st.integers(0, 200),
    st.integers(0, len(_ODD) - 1),
    st.sampled_from(_TYPES),
)


def odd_files(valid: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Files near the valid ones."""
    metadata = [header(content)["__metadata__"] for content in valid]
    inner = [{key: json.loads(text) for key, text in one.items()} for one in metadata]
    return st.one_of(
        edited(valid),
        st.builds(_with_header, st.sampled_from(valid), odd_json([header(c) for c in valid])),
        st.builds(_with_header, st.sampled_from(valid[:1]), odd_json([header(valid[0])], most=1)),
        st.builds(_with_metadata, st.just(valid[0]), odd_json(inner[:1])),
        st.builds(_with_tensors, st.just(valid[0]), st.lists(_EDITS, max_size=3)),
    )


def header(content: bytes) -> dict:
    """The JSON in front of the tensors."""
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def _with_header(content: bytes, text: str) -> bytes:
    size = int.from_bytes(content[:8], "little")
    return len(text.encode()).to_bytes(8, "little") + text.encode() + content[8 + size :]


def _with_metadata(content: bytes, text: str) -> bytes:
    """The metadata of a style holds one text, which is JSON again."""
    try:
        metadata = {key: json.dumps(value) for key, value in json.loads(text).items()}
    except (AttributeError, ValueError, RecursionError):
        metadata = dict.fromkeys(header(content)["__metadata__"], text)
    return _with_header(content, json.dumps(header(content) | {"__metadata__": metadata}))


def _with_tensors(content: bytes, edits: Sequence[tuple[str, int, int, type]]) -> bytes:
    tensors: dict[str, np.ndarray] = load(content)
    for kind, number, odd, dtype in edits:
        if not tensors:
            break
        name = sorted(tensors)[number % len(tensors)]
        match kind:
            case "replace":
                tensors[name] = _ODD[odd].astype(dtype)
            case "drop":
                del tensors[name]
            case "rename":
                tensors[f"{name}x"] = tensors.pop(name)
            case "add":
                tensors[f"more {number}"] = _ODD[odd]
            case "as":
                tensors[name] = tensors[name].astype(dtype)
    return save(tensors, _texts(header(content)["__metadata__"]))


def _texts(metadata: Mapping[str, str]) -> dict[str, str]:
    return dict(metadata)
