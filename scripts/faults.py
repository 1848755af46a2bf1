"""Disturbs runs in every way a machine knows, and says whether anything was lost.

    python scripts/faults.py kills --times 30
    python scripts/faults.py instants --times 1000
    python scripts/faults.py full_disks --times 12      (where one may mount: as root)
    python scripts/faults.py read_only --times 12

A line for each process, and a table at the end; status 1 if a run did not end as the undisturbed
one. What went wrong stays in --place, to be looked at.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.campaign.commands import COMMANDS
from scripts.campaign.copies import every_instant
from scripts.campaign.disks import full_disks, read_only_folders
from scripts.campaign.kills import campaign
from scripts.campaign.life import Life

KINDS = {
    "kills": campaign,
    "instants": every_instant,
    "full_disks": full_disks,
    "read_only": read_only_folders,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Disturbs runs in every way a machine knows.")
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--command", choices=list(COMMANDS), action="append", help="default: all")
    parser.add_argument("--times", type=int, default=30, help="for each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--place", type=Path, help="a new folder; default: a temporary one")
    given = parser.parse_args()
    place = given.place or Path(tempfile.mkdtemp(prefix="faults-"))
    lives = []
    for number, command in enumerate(given.command or COMMANDS):
        own = place / str(number)
        own.mkdir(parents=True)
        for life in KINDS[given.kind](command, given.times, own, given.seed):
            lives.append(life)
            print(line_of(life), flush=True)
    print(table(lives))
    return int(any(life.found for life in lives))


def line_of(life: Life) -> str:
    """What a process of the campaign came to."""
    what = f"{life.blow}, {life.phase}" if life.blow else life.phase or "to its end"
    return f"{life.command}: {what}, {life.seconds:.1f} s" + "".join(
        f"\n    WRONG {each}" for each in life.found
    )


def table(lives: Sequence[Life]) -> str:
    """Counts, as Markdown: a row for each command, and one for each phase."""
    blows = list(dict.fromkeys(life.blow for life in lives if life.blow))
    rows = [["", *blows, "all", "resumes", "wrong"], ["---"] * (len(blows) + 4)]
    for column in ("command", "phase"):
        for key in dict.fromkeys(getattr(life, column) for life in lives if life.blow):
            own = [life for life in lives if getattr(life, column) == key]
            count = Counter(life.blow for life in own)
            wrong = sum(len(life.found) for life in own)
            resumes = _resumes(own) if column == "command" else ""
            hits = [count[blow] for blow in blows]
            rows += [[f"{key}", *hits, sum(hits), resumes, wrong]]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _resumes(lives: Sequence[Life]) -> int:
    """How many of the processes went on where another was disturbed."""
    return sum(bool(a.blow) for a, _ in pairwise(lives))


if __name__ == "__main__":
    sys.exit(main())
