"""JSON near valid JSON: a value replaced by an odd one, left out, or given twice."""

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_DEEP = "@deep"  # stands for lists in lists: json writes none so deep
_ODD: list[Any] = [None, True, False, 0, -1, 0.5, 1e308, float("nan"), float("inf"), 10**400]
_ODD += ["", "all", "../../x", "\0", "\u2028", "x" * 5000, [], {}, [[]], {"": {}}, _DEEP]
ODD = st.one_of(
    st.sampled_from(_ODD),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.lists(st.integers(-3, 3), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(-3, 3), max_size=3),
)
_EDITS = st.tuples(
    st.sampled_from(["replace", "replace", "drop", "rename", "wrap"]),
    st.lists(st.integers(0, 1 << 16), max_size=5),  # the way down; its end is what changes
    ODD,
)


def odd_json(valid: Sequence[Any], most: int = 3) -> SearchStrategy[str]:
    """The text of one of the valid values with a few edits, now and then with none."""
    return st.builds(_edit, st.sampled_from(valid), st.lists(_EDITS, max_size=most))


def _edit(value: Any, edits: Sequence[tuple[str, Sequence[int], Any]]) -> str:
    holder = [copy.deepcopy(value)]
    for kind, way, odd in edits:
        _change(holder, kind, way, copy.deepcopy(odd))
    return json.dumps(holder[0]).replace(json.dumps(_DEEP), "[" * 20_000 + "]" * 20_000)


def _change(holder: Any, kind: str, way: Sequence[int], odd: Any) -> None:
    """Walks down into the value and edits where the way ends, or where it can go no further."""
    key: Any = 0
    for step in way:
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        holder = inner
        key = list(inner)[step % len(inner)] if isinstance(inner, dict) else step % len(inner)
    match kind:
        case "replace":
            holder[key] = odd
        case "wrap":
            holder[key] = [holder[key]]
        case "rename" if isinstance(holder, dict):
            holder[str(odd)[:50]] = holder.pop(key)
        case "drop" if isinstance(holder, dict):
            del holder[key]
