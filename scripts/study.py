"""Which settings of the optimization come to a loss soonest: loss against seconds of many.

    python scripts/study.py learn --resolution 256 --references 10 --seconds 60 --out learn.json
    python scripts/study.py learn --only default "memory 10" --out memory.json
    python scripts/study.py transfer --resolution 256 --seconds 60 --out transfer.json
    python scripts/study.py plot learn.json transfer.json --out study.png
    python scripts/study.py table learn.json --marks 10 20 40

`learn` makes a style image of demo pictures with the objective of the config `anime` less its total
variation; its loss is what is above the dispersion. `transfer` restyles a photograph with the
objective of the config `transfer`. Either runs its variants (`scripts/studies/variants.py`) one
after the other, each for so many seconds, and writes FILE.json after each. Seconds count from the
beginning of the optimization, coarse stages included and compilation not; the loss is that of the
finest resolution.
"""

import argparse
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.benchmark import DATA, count, resolution
from styleinv import files
from styleinv.errors import InputError, one_of


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"(={text}) must be a number above 0")
    return value


def add_learn(command: argparse.ArgumentParser) -> None:
    command.add_argument("--references", type=count, default=10, help="of data/anime")
    _add_common(command)


def add_transfer(command: argparse.ArgumentParser) -> None:
    command.add_argument("--content", type=Path, default=DATA / "photo" / "china.jpg")
    command.add_argument("--style", type=Path, default=DATA / "paintings" / "cafe_terrace.jpg")
    _add_common(command)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolution", type=resolution, default=256)
    command.add_argument("--seconds", type=seconds, default=60, help="of each variant")
    command.add_argument("--only", nargs="+", metavar="NAME", default=(), help="these variants")
    command.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    command.set_defaults(do=study)


def add_plot(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    command.add_argument("--out", type=Path, required=True, metavar="PICTURE.png")
    command.set_defaults(do=plot)


def add_table(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    command.add_argument("--marks", type=seconds, nargs="+", metavar="SECONDS", default=())
    command.set_defaults(do=table)


def study(given: argparse.Namespace) -> None:
    """Writes the file of `learn` or `transfer`, after each variant."""
    from scripts.benchmarks import ours
    from scripts.studies import cases, timing, variants

    ours.set_up()
    _, known = variants.of(given.what)
    for name in given.only:
        one_of("--only", name, [variant.name for variant in known])
    if given.what == "learn":
        case = cases.learn(given.resolution, given.references)
    else:
        case = cases.transfer(given.resolution, given.content, given.style)
    found = {**case.facts, "limit": given.seconds, "rows": []}
    files.write(given.out, json.dumps(found).encode())  # what cannot be written is said at once
    for variant in known:
        if not given.only or variant.name in given.only:
            row = timing.row(case, variant, given.seconds)
            found["rows"].append(row)
            files.write(given.out, json.dumps(found).encode())
            end = f"{row['loss'][-1]:.5f}" if row["loss"] else "not at the finest resolution yet"
            print(f"{variant.name}: {end}, {len(row['loss'])} fine steps", flush=True)


def plot(given: argparse.Namespace) -> None:
    """Writes the picture of studies."""
    from scripts.studies import show

    files.write(given.out, show.plot([show.read(path) for path in given.files]))


def table(given: argparse.Namespace) -> None:
    """Prints the tables of studies."""
    from scripts.studies import show

    print("\n\n".join(show.table(show.read(path), given.marks) for path in given.files))


COMMANDS = {"learn": add_learn, "transfer": add_transfer, "plot": add_plot, "table": add_table}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for name, add in COMMANDS.items():
        add(commands.add_parser(name))
    given = parser.parse_args()
    try:
        given.do(given)
    except InputError as error:
        print(f"study.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
