"""Kills at random moments, each followed by a resume, until the run is finished."""

import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.campaign.commands import words_of
from scripts.campaign.folder import differences, lost, phase, steps_kept, unreadable
from scripts.campaign.life import Ended, Life, live, mistakes, outlived

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# How a process may end that got the signal: of it, having said how to go on, or at its own end.
_ENDS = {
    signal.SIGKILL: (-signal.SIGKILL,),
    signal.SIGTERM: (-signal.SIGTERM, 128 + signal.SIGTERM, 0),
    signal.SIGINT: (-signal.SIGINT, 128 + signal.SIGINT, 0),
}


def campaign(name: str, kills: int, place: Path, seed: int, most: int = 6) -> Iterator[Life]:
    """Disturbs runs of a command until so many signals have been sent.

    Args:
        name: of the command.
        place: a folder for the runs; those with which nothing is wrong are removed.
        most: signals to one run, which then is left in peace.
    """
    draw, words = random.Random(f"{seed} {name}"), words_of(name)
    whole, cache = place / "undisturbed", place / "cache"
    live(words, place / "first", cache)  # fills the cache
    undisturbed = live(words, whole, cache)
    found = mistakes(undisturbed) + unreadable(whole) + differences(place / "first", whole)
    yield Life(name, "", "undisturbed", undisturbed.seconds, found)
    sent = number = 0
    while sent < kills:
        number += 1
        folder, faults = place / f"run{number:03d}", 0
        if number % 4 == 1:
            shutil.rmtree(cache)  # so that compiling is disturbed too
        for life in disturb(name, words, folder, cache, whole, undisturbed.seconds, draw, most):
            sent += life.blow != ""
            faults += len(life.found)
            yield life
        if not faults:
            shutil.rmtree(folder)


def disturb(
    name: str,
    words: list[str],
    folder: Path,
    cache: Path,
    whole: Path,
    longest: float,
    draw: random.Random,
    most: int,
    look: Callable[[Path], str] = phase,
) -> Iterator[Life]:
    """One run, from its first process to its last."""
    kept, groups = {}, []
    for turn in range(most + 1):
        number = draw.choice(SIGNALS)
        after = draw.uniform(0, longest) if turn < most else None
        ended = live(words, folder, cache, after=after, number=number, look=look)
        groups.append(ended.group)
        found = mistakes(ended) + unreadable(folder) + lost(folder, kept)
        if ended.seen:
            found += _ends(ended, number)
        if ended.status == 0:
            found += differences(folder, whole) + outlived(groups)
            yield Life(name, number.name if ended.seen else "", ended.seen, ended.seconds, found)
            return
        if not ended.seen:
            found.append(f"ended with status {ended.status}: {ended.err[-300:]}")
        kept = steps_kept(folder)
        yield Life(name, number.name if ended.seen else "", ended.seen, ended.seconds, found)


def _ends(ended: Ended, number: signal.Signals) -> list[str]:
    found = []
    if ended.status not in _ENDS[number]:
        found.append(f"{number.name} ended it with status {ended.status}: {ended.err[-300:]}")
    if (
        ended.status > 0
        and ended.seen not in ("start-up", "opening")
        and "to go on:" not in ended.out
    ):
        found.append(f"{number.name} in {ended.seen}: it does not say how to go on")
    return found
