"""sweep.json: what a sweep was asked, and what became of each cell. The sweep's folder resumes.

sweep.json  metrics.csv  report.html  cells/SLUG/ (an ordinary run each)  cells/SLUG.error.txt
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.sweeps.grid import Axis, short

if TYPE_CHECKING:
    from experiments.sweeps.cell import Outcome

ABOUT = ("weights", "versions", "device", "git")  # what the first run says of all


class Ledger:
    """The open folder of a sweep.

    Args:
        folder: new, empty, or of an earlier sitting; see `belongs`.
        experiment: what the cells are runs of.
        cells: {slug: its "values" and "command"}, in the order of the grid.
    """

    def __init__(
        self,
        folder: Path,
        experiment: str,
        request: cli.Request,
        axes: Sequence[Axis],
        cells: Mapping[str, Mapping[str, Any]],
    ):
        from styleinv import files

        files.remove_unfinished(folder)
        old = _read(folder) or {}
        self.folder = folder
        self._opened, self._before = time.monotonic(), old.get("seconds", 0.0)
        kept = old.get("cells", {})
        self._state = {
            "experiment": experiment,
            "config": request.name,
            "command": request.command,
            "started": old.get("started", _now()),
            "finished": None,
            "seconds": self._before,
            "status": "running",
            **{key: old.get(key) for key in ABOUT},
            "axes": [
                {"fields": axis.fields, "names": list(map(short, axis.fields))}
                | {"values": axis.values}
                for axis in axes
            ],
            "base": json.loads(json.dumps(asdict(request.config))),
            "cells": {
                slug: {"status": "waiting", "compiled": 0, "read": 0} | kept.get(slug, {}) | facts
                for slug, facts in cells.items()
            },
        }

    def is_done(self, slug: str) -> bool:
        """Whether the cell came to its end, as its own folder says."""
        from styleinv import files, record

        folder = self.folder / "cells" / slug
        closed = (folder / "report.html").is_file() and not (folder / files.LOCK).exists()
        return closed and record.finished(folder)

    def note(self, outcome: "Outcome") -> None:
        """What became of a cell, kept at once."""
        from styleinv import files

        cell = self._state["cells"][outcome.slug]
        cell["status"] = {"stopped": "interrupted"}.get(outcome.status, outcome.status)
        cell["reason"] = outcome.reason
        cell["compiled"] += outcome.compiled
        cell["read"] += outcome.read
        if outcome.trace:
            content = outcome.trace.rstrip() + "\n"
            files.write(self._error_file(outcome.slug), content.encode())
        else:
            self._error_file(outcome.slug).unlink(missing_ok=True)
        self.save("running")

    def kept(self) -> str:
        """What is safe in the folder, in words."""
        done = sum(self.is_done(slug) for slug in self._state["cells"])
        return f"{done} of {len(self._state['cells'])} cells are kept"

    def note_done(self, slug: str) -> None:
        """That an earlier sitting finished the cell."""
        self._state["cells"][slug] |= {"status": "finished", "reason": ""}
        self._error_file(slug).unlink(missing_ok=True)

    def _error_file(self, slug: str) -> Path:
        """Beside the cell's folder: a run wants its own to itself."""
        return self.folder / "cells" / f"{slug}.error.txt"

    def save(self, status: str) -> None:
        """Writes sweep.json and metrics.csv.

        Args:
            status: running, interrupted or finished.
        """
        from styleinv import files
        from styleinv.journal import read_json
        from styleinv.pages import sweep_table

        self._state["status"] = status
        self._state["finished"] = _now() if status == "finished" else None
        self._state["seconds"] = round(self._before + time.monotonic() - self._opened, 3)
        if not self._state["weights"]:
            runs = (self.folder / "cells" / slug / "run.json" for slug in self._state["cells"])
            if first := next((path for path in runs if path.is_file()), None):
                self._state |= {key: read_json(first)[key] for key in ABOUT}
        files.write_json(self.folder / "sweep.json", self._state)
        files.write(self.folder / "metrics.csv", sweep_table.as_csv(self.folder))


def belongs(folder: Path, experiment: str, config: Any, slugs: Sequence[str]) -> None:
    """Raises an InputError unless the folder is free, or holds a part of this sweep.

    Args:
        config: without the grid.
    """
    from styleinv import files
    from styleinv.errors import InputError, reading
    from styleinv.journal import refuse_changed

    with reading(f"--workdir (={folder})"):
        if folder.is_file():
            raise InputError(f"--workdir (={folder}) is a file; name a folder")
        if not folder.is_dir() or files.is_free(folder):
            return
        old = _read(folder)
    if old is None:
        raise InputError(f"--workdir (={folder}) holds files but no sweep; name a new folder")
    if old["experiment"] != experiment:
        raise InputError(
            f"--workdir (={folder}) holds a sweep of {old['experiment']}, not {experiment}; "
            "name a new folder"
        )
    refuse_changed(f"--workdir (={folder}) holds a sweep", old["base"], asdict(config))
    if gone := [slug for slug in old["cells"] if slug not in slugs]:
        raise InputError(
            f"--workdir (={folder}) holds a sweep with {len(gone)} cells that this grid has not "
            f"({gone[0]}); add to its axes, or name a new folder"
        )


def _read(folder: Path) -> dict[str, Any] | None:
    from styleinv.journal import read_json

    path = folder / "sweep.json"
    return read_json(path) if path.is_file() else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
