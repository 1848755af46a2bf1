"""Disturbs runs in every way a machine knows, and says whether anything was lost.

    python scripts/faults.py kills --kills 25
    python scripts/faults.py disks

A line for each process, and a table at the end; status 1 if a run did not end as the undisturbed
one. What went wrong stays in --place, to be looked at.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.campaign.commands import COMMANDS
from scripts.campaign.kills import Life, campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["kills", "disks"])
    parser.add_argument("--command", choices=list(COMMANDS), action="append", help="default: all")
    parser.add_argument("--kills", type=int, default=30, help="signals to each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--place", type=Path, help="a new folder; default: a temporary one")
    given = parser.parse_args()
    place = given.place or Path(tempfile.mkdtemp(prefix="faults-"))
    lives = []
    for number, command in enumerate(given.command or COMMANDS):
        own = place / str(number)
        own.mkdir(parents=True)
        for life in campaign(command, given.kills, own, given.seed):
            lives.append(life)
            print(line_of(life), flush=True)
    print(table(lives))
    return int(any(life.found for life in lives))


def line_of(life: Life) -> str:
    """What a process of the campaign came to."""
    what = f"{life.signal} in {life.phase}" if life.signal else life.phase or "to its end"
    return f"{life.command}: {what}, {life.seconds:.1f} s" + "".join(
        f"\n    WRONG {each}" for each in life.found
    )


def table(lives: Iterable[Life]) -> str:
    """Counts, as Markdown: a row for each command, and one for each phase."""
    lives = list(lives)
    signals = ["SIGKILL", "SIGTERM", "SIGINT"]
    rows = [["", *signals, "all", "resumes", "wrong"]]
    for title, of in (("command", lambda x: x.command), ("phase", lambda x: x.phase)):
        rows += [[f"by {title}", *[""] * 6]]
        for key in dict.fromkeys(of(life) for life in lives if life.signal):
            own = [life for life in lives if of(life) == key and life.phase != "undisturbed"]
            count = Counter(life.signal for life in own)
            hit = sum(count[name] for name in signals)
            resumes = sum(bool(x.signal) for x in own[:-1]) if title == "command" else ""
            wrong = sum(len(life.found) for life in own)
            rows += [[key, *(count[name] for name in signals), hit, resumes, wrong]]
    rows.insert(1, ["---"] * 7)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
