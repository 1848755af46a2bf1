"""The JSON files of a run's folder."""

import json
from pathlib import Path

from hypothesis import strategies as st

from fuzzing.edits import edited
from fuzzing.objects import odd_json
from fuzzing.target import Target

_CONFIG = {"dataset": {"path": "data/anime", "weights": [1.0, 2.0]}, "tv": 0.3, "steps": [80, 80]}
_RUN = {"status": "finished", "seconds": 3.5, "versions": {"jax": "0.10"}, "started": "2026-01-01"}
_LINE = {"picture": 0, "stage": 1, "stage_step": 7, "loss": 0.5, "values": {"style": 0.25}}


def target() -> Target:
    """Objects, and lines of them."""
    whole = [_CONFIG, _RUN, {"seeds": [{"seed": 0, "loss": 0.1}]}]
    texts = st.one_of(
        odd_json(whole).map(str.encode), edited([json.dumps(one).encode() for one in whole])
    )
    line = st.one_of(odd_json([_LINE], 1), odd_json([_LINE], 0), st.text(max_size=9))
    lines = (
        st.lists(line, max_size=5).map("\n".join).map(lambda text: text.encode("utf-8", "replace"))
    )
    rows = st.one_of(lines, edited([f"{json.dumps(_LINE)}\n".encode() * 3]))
    files = st.fixed_dictionaries({"config.json": texts, "run.json": texts, "metrics.jsonl": rows})
    return Target(files, use)


def use(folder: Path) -> None:
    """What is done with the files of a run that is resumed, or told of on a page."""
    from styleinv import journal
    from styleinv.errors import InputError

    refused = []
    for name in ("config.json", "run.json"):
        try:
            found = journal.read_json(folder / name)
            found.get("status")
            assert all(isinstance(text, str) for text in journal.flatten(found).values())
        except InputError as error:
            refused.append(error)
    assert all(isinstance(row, dict) for row in journal.read_metrics(folder / "metrics.jsonl"))
    if refused:
        raise refused[0]
