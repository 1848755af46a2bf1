"""A disk that is full and a folder that may not be written, at every stage of a run.

After each, the same command goes on with room to write, and must end as the undisturbed run.
"""

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scripts.campaign.commands import words_of
from scripts.campaign.folder import differences, files, lost, steps_kept, unreadable
from scripts.campaign.life import Ended, Life, live, mistakes


def full_disks(name: str, times: int, place: Path, seed: int) -> Iterator[Life]:
    """Runs a command on disks of many sizes, each too small for it; needs the right to mount.

    Args:
        place: a folder for the runs, and for the small disk, a tmpfs.
    """
    words, whole, cache = words_of(name), place / "undisturbed", place / "cache"
    live(words, whole, cache)
    disk = place / "disk"
    disk.mkdir()
    # Of 4 KB, with the room that checkpoints take meanwhile.
    pages = 150 + sum(path.stat().st_size // 4096 + 1 for path in files(whole))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
    try:
        for number in range(times):
            _resize(disk, 4 * (1 + pages * number // times))
            ended = live(words, disk / "run", cache)
            yield Life(name, "full disk", *_answer(ended, disk / "run"))
            kept = steps_kept(disk / "run")
            _resize(disk, 64 << 10)
            yield _resumed(name, words, disk / "run", cache, whole, kept)
            shutil.rmtree(disk / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def read_only_folders(name: str, times: int, place: Path, seed: int) -> Iterator[Life]:
    """Runs a command whose folder cannot be written any more from a random moment on."""
    words, whole, cache = words_of(name), place / "undisturbed", place / "cache"
    live(words, place / "first", cache)
    undisturbed = live(words, whole, cache)
    draw = random.Random(f"{seed} {name}")
    for number in range(times):
        folder = place / f"read_only{number:03d}"
        folder.mkdir()
        after = draw.uniform(0, undisturbed.seconds)

        def shut(folder=folder):
            _permit(folder, 0o555)

        ended = live(words, folder, cache, after=after, act=shut, look=lambda folder: "seen")
        _permit(folder, 0o755)
        if ended.seen:
            yield Life(name, "read-only", *_answer(ended, folder))
        yield _resumed(name, words, folder, cache, whole, steps_kept(folder))
        shutil.rmtree(folder)


def _answer(ended: Ended, folder: Path) -> tuple[str, float, list[str]]:
    """(what could not be written, seconds, what is wrong with how that was answered)."""
    found = mistakes(ended) + unreadable(folder)
    last = ended.err.strip().splitlines()[-1] if ended.err.strip() else ""
    said = re.fullmatch(r"error: (\S+) cannot be written: (.+)", last)
    if ended.status == 0:
        return "after the last write", ended.seconds, found
    if ended.status != 2 or not said:
        found.append(f"status {ended.status}, and it says: {ended.err[-400:]}")
        return "?", ended.seconds, found
    path = Path(said[1])
    where = path.name if path.parent != path and "." in path.name else "the folder"
    return ("a checkpoint" if path.name.isdecimal() else where), ended.seconds, found


def _resumed(name, words, folder, cache, whole, kept) -> Life:
    ended = live(words, folder, cache)
    found = mistakes(ended) + unreadable(folder) + lost(folder, kept)
    if ended.status:
        found.append(f"does not go on: {ended.err[-400:]}")
    else:
        found += differences(folder, whole)
    return Life(name, "", "", ended.seconds, found)


def _resize(disk: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(disk)], check=True)


def _permit(folder: Path, mode: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(mode)
