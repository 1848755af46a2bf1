"""What is in a run's folder: does all of it open, how far is it, and does it equal another."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from PIL import Image
from safetensors.numpy import load

CLOCK = {"seconds", "compiled", "read"}  # what two runs of the same differ in
UNLIKE = {"run.json", "sweep.json", "report.html"}  # times, and the command with its folder
_HIDDEN = (".lock", ".unfinished-")


def files(folder: Path) -> Iterator[Path]:
    """All that a user would look at: no file in the making."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(p.startswith(_HIDDEN) or "orbax-checkpoint-tmp" in p for p in parts)
        if path.is_file() and not hidden and "checkpoints" not in parts:
            yield path


def unreadable(folder: Path) -> list[str]:
    """The files that do not open, each with the reason; a last line that is torn is none."""
    found = []
    for path in files(folder):
        try:
            _READERS.get(path.suffix, bytes)(path.read_bytes())
        except Exception as error:
            found.append(f"{path.relative_to(folder)}: {type(error).__name__}: {error}")
    return found


def differences(actual: Path, desired: Path) -> list[str]:
    """In what a finished run differs from the undisturbed one: files, and what is in them."""
    ours, theirs = ({p.relative_to(run) for p in files(run)} for run in (actual, desired))
    found = [f"{path} is there in one only" for path in sorted(ours ^ theirs)]
    left = [p for p in actual.rglob("*") if p.name.startswith((*_HIDDEN, "checkpoints"))]
    found += [f"{path.relative_to(actual)} is left" for path in sorted(left)]
    for path in sorted(ours & theirs):
        if path.name not in UNLIKE and _told(actual / path) != _told(desired / path):
            found.append(f"{path} differs")
    return found


def steps_kept(folder: Path) -> dict[Path, list[str]]:
    """{metrics.jsonl, of each run inside: its lines up to the last checkpoint, as they are}."""
    kept = {}
    for path in folder.rglob("metrics.jsonl"):
        steps = [int(p.name) for p in path.parent.glob("checkpoints/*") if p.name.isdecimal()]
        lines = path.read_text().splitlines()
        run = path.parent / "run.json"
        finished = run.is_file() and json.loads(run.read_text())["status"] == "finished"
        before = _steps_before(path.parent, lines)
        count = max(0, max(steps, default=0) - before)
        kept[path.relative_to(folder)] = lines if finished else lines[:count]
    return kept


def _steps_before(run: Path, lines: list[str]) -> int:
    """Of the pictures before, in the numbers of a picture's checkpoints in a folder of its own."""
    if run.parent.name != "apart" or not lines:
        return 0
    steps = json.loads((run / "config.json").read_text())["steps"]
    return json.loads(lines[0])["picture"] * sum(steps)


def lost(folder: Path, before: Mapping[Path, list[str]]) -> list[str]:
    """Which runs inside have not the steps, to the millisecond, that were kept before."""
    found = []
    for path, lines in before.items():
        after = (folder / path).read_text().splitlines() if (folder / path).is_file() else []
        if "apart" in path.parts and not after:  # taken over by the run that they are of
            all_of_them = (folder / path.parents[2] / path.name).read_text().splitlines()
            after = [line for line in all_of_them if line in lines]
        if after[: len(lines)] != lines:
            found.append(f"{path}: not the {len(lines)} steps that were kept")
    return found


def phase(folder: Path) -> str:
    """Where a run is: that which holds a lock, inside the others."""
    locks = sorted(filter(_held, folder.rglob(".lock")), key=lambda path: len(path.parts))
    if not locks:
        return "start-up, or the end"
    run = locks[-1].parent
    if (run / "sweep.json").is_file() or not (run / "run.json").is_file():
        return "between cells" if (run / "sweep.json").is_file() else "opening"
    if any(run.glob("checkpoints/*tmp*")) or any(run.glob("apart/*/checkpoints/*tmp*")):
        return "saving a checkpoint"
    if json.loads((run / "run.json").read_text())["status"] == "finished":
        return "report"
    if (run / "results.json").is_file():
        return "results"
    if not any(lines.stat().st_size for lines in run.rglob("metrics.jsonl")):
        return "measuring"
    return "steps"


def _held(path: Path) -> bool:
    """Whether the process that a lock file names still lives."""
    try:
        os.kill(int(path.read_text().split()[1]), 0)
    except (ProcessLookupError, IndexError):  # not signed yet
        return False
    return True


def _told(path: Path) -> object:
    """The content, without what the clock says."""
    if path.name == "metrics.jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    elif path.suffix == ".csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
    else:
        return path.read_bytes()
    return [{k: v for k, v in row.items() if k not in CLOCK} for row in rows]


def _image(content: bytes) -> None:
    with Image.open(io.BytesIO(content)) as image:
        image.verify()  # to the end of the file
    with Image.open(io.BytesIO(content)) as image:
        image.load()


def _lines(content: bytes) -> None:
    for line in content.decode().split("\n")[:-1]:
        json.loads(line)


def _page(content: bytes) -> None:
    if not content.decode().rstrip().endswith("</html>"):
        raise ValueError("cut off")


def _table(content: bytes) -> None:
    first, *rows = csv.reader(content.decode().splitlines())
    if any(len(row) != len(first) for row in rows):
        raise ValueError("cut off")


_READERS: dict[str, Callable[[bytes], object]] = {
    ".json": json.loads,
    ".jsonl": _lines,
    ".png": _image,
    ".jpg": _image,
    ".safetensors": load,
    ".html": _page,
    ".csv": _table,
}
