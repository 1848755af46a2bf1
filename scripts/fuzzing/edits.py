"""Byte strings near valid files: a few bytes set, cut out, doubled, put in or cut off."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_ODD = [b"\0", b"\xff", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
_ODD += [b"\xff\xff\xff\x7f", b"\0\1\0\0", b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\n", b'"', b"nan"]
_PLACES = st.one_of(st.integers(0, 64), st.integers(0, 1 << 20), st.integers(-64, -1))
_BYTES = st.one_of(st.sampled_from(_ODD), st.binary(min_size=1, max_size=8))
_EDITS = st.tuples(
    st.sampled_from(["set", "set", "set", "put in", "cut out", "double", "cut off"]),
    _PLACES,
    _BYTES,
    st.integers(1, 64),
)


def edited(valid: Sequence[bytes], most: int = 5) -> SearchStrategy[bytes]:
    """One of the valid files, with at most so many edits; now and then with none."""
    return st.builds(_edit, st.sampled_from(valid), st.lists(_EDITS, max_size=most))


def _edit(content: bytes, edits: Sequence[tuple[str, int, bytes, int]]) -> bytes:
    for kind, place, data, length in edits:
        place %= len(content) + 1
        before, after = content[:place], content[place:]
        match kind:
            case "set":
                content = before + data + after[len(data) :]
            case "put in":
                content = before + data + after
            case "cut out":
                content = before + after[length:]
            case "double":
                content = before + after[:length] * 2 + after[length:]
            case "cut off":
                content = before
    return content
