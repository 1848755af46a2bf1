"""Every instant of a run: it is resumed from a copy of its folder taken there.

In one process, so that hundreds of instants cost no more than a few kills.
"""

import contextlib
import importlib
import io
import shutil
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from experiments import cli
from scripts.campaign.commands import words_of
from scripts.campaign.folder import differences, lost, steps_kept, unreadable
from scripts.campaign.instants import watched
from scripts.campaign.life import Life


def every_instant(name: str, times: int, place: Path, seed: int) -> Iterator[Life]:
    """Resumes a command from so many of its instants, spread evenly over all."""
    words, whole, copies = words_of(name), place / "undisturbed", place / "copies"
    _run(words, whole)
    with watched(place / "watched", copies):
        answer = _run(words, place / "watched")
    found = answer + differences(place / "watched", whole)
    killed = sorted(copies.iterdir())
    yield Life(name, "", f"{len(killed)} instants", 0, found)
    for copy in killed[:: max(1, len(killed) // times)]:
        begun = time.monotonic()
        before, found = steps_kept(copy), unreadable(copy)
        phase = _phase(copy)
        found += _run(words, copy) + lost(copy, before) + differences(copy, whole)
        yield Life(name, "copy", phase, time.monotonic() - begun, found)
        if not found:
            shutil.rmtree(copy)


def _run(words: list[str], folder: Path) -> list[str]:
    """Runs a command in this process; what is wrong with how it ended."""
    experiment = importlib.import_module(f"experiments.{words[0]}")
    own = getattr(experiment, "FLAGS", ())
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        try:
            request = cli.parse(words[0], [*words[1:], f"--workdir={folder}"], own)
            status = experiment.execute(request)
        except Exception:
            return [traceback.format_exc()[-600:]]
    return [f"ended with status {status}"] if status else []


def _phase(copy: Path) -> str:
    """How far the run had come."""
    stages = (
        ("report.html", "report written"),
        ("results.json", "results written"),
        ("sweep.json", "between and in cells"),
        ("metrics.jsonl", "steps and checkpoints"),
        ("parts", "measuring"),
    )
    return next((phase for file, phase in stages if (copy / file).exists()), "opening")
