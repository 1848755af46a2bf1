"""Long work shows itself: a bar on a terminal, a line every so often elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """Work done out of a total, with a note; made by `bar`."""

    def __init__(
        self, title: str, total: float, progress: Progress | None, every: float, unit: str
    ):
        self._title, self._total, self._progress = title, total, progress
        self._every, self._unit = every, unit
        self._done, self._timed, self._begun, self._said = 0.0, 0.0, 0.0, -1e9
        self._task = progress.add_task(title, total=total, note="") if progress else None

    def advance(self, work: float, note: str = "") -> None:
        """Adds work, if there is any; the note is shown beside the bar (a loss, a file name)."""
        if not work:
            return
        self._done += work
        now, rate = time.monotonic(), 0.0
        if self._begun:
            self._timed += work
            rate = self._timed / max(now - self._begun, 1e-9)  # of a coarse clock
        else:  # the first says nothing of the speed: for it, functions are compiled
            self._begun = now
        if self._unit and rate:
            note = f"{rate:.1f} {self._unit}/s"
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=work, note=note)
            return
        if now - self._said >= self._every or self._done >= self._total:
            self._said = now
            rest = max(0.0, self._total - self._done)
            share = f"{self._title} {100 * self._done / self._total:3.0f} %"
            parts = [share, note] if note else [share]
            if rate or not rest:
                parts.append(f"{rest / (rate or 1):.0f} s left")
            print("  ".join(parts), file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        print(line, file=sys.stderr, flush=True)

    def skip(self, work: float) -> None:
        """Adds work that was done before and says nothing of the speed of now."""
        self._done += work
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._done)


@contextmanager
def bar(title: str, total: float, *, every: float = 10.0, unit: str = "") -> Iterator[Bar]:
    """A progress bar on standard error.

    Args:
        every: seconds between lines where standard error is no terminal.
        unit: of the work, for a note of so much of it a second in place of others.
    """
    console = Console(file=sys.stderr)  # that of now, whoever takes it over meanwhile
    # Two bars on one terminal would write over each other: other threads say lines.
    if not console.is_terminal or threading.current_thread() is not threading.main_thread():
        yield Bar(title, total, None, every, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(title, total, progress, every, unit)
