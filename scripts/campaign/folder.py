"""What is in a run's folder: does all of it open, how far is it, and does it equal another."""

import csv
import io
import json
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
        kept[path.relative_to(folder)] = lines if finished else lines[: max(steps, default=0)]
    return kept


def lost(folder: Path, before: Mapping[Path, list[str]]) -> list[str]:
    """Which runs inside have not the steps, to the millisecond, that were kept before."""
    found = []
    for path, lines in before.items():
        after = (folder / path).read_text().splitlines() if (folder / path).is_file() else []
        if after[: len(lines)] != lines:
            found.append(f"{path}: not the {len(lines)} steps that were kept")
    return found


def phase(folder: Path) -> str:
    """Where a run is: that which holds a lock, inside the others."""
    locks = sorted(folder.rglob(".lock"), key=lambda path: len(path.parts))
    if not locks:
        closed = (folder / "report.html").is_file()
        return "after the end" if closed else "start-up"
    run = locks[-1].parent
    if (run / "sweep.json").is_file() or not (run / "run.json").is_file():
        return "between cells" if (run / "sweep.json").is_file() else "opening"
    if any(run.glob("checkpoints/*tmp*")):
        return "saving a checkpoint"
    if json.loads((run / "run.json").read_text())["status"] == "finished":
        return "report"
    if (run / "results.json").is_file():
        return "results"
    lines = run / "metrics.jsonl"
    if not lines.is_file() or not lines.stat().st_size:
        return "measuring"
    return "steps"


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
