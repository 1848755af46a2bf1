"""From launch to the first step, and to the answer of --help, against PyTorch, turn by turn.

Ours is `python -m experiments.learn_style` until the first line is in its metrics.jsonl: the
interpreter, libraries, weights, pictures, their moments, compilation out of a warm cache (a first
run, which is not counted, has filled it), one step and all that a run's folder has by then. The
rival is the obvious program (`torch_learning.py`) until it has printed its first loss. `--help` is
against nothing but `import torch`.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benchmarks import ours
from scripts.benchmarks.program import require
from scripts.benchmarks.race import alternate, compare
from styleinv.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]
_MOST = 600  # seconds, after which a first step is given up


def rows(resolution: int, references: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """A row for each number of references, and one for --help."""
    require("torch")
    result = []
    for count in references:
        paths = ours.demo(count)
        first_step(paths, resolution)  # fills the compilation cache
        found = alternate(
            repeats,
            partial(first_step, paths, resolution),
            partial(rival_first_step, paths, resolution),
        )
        row = {"what": "first step", "resolution": resolution, "references": count}
        result.append(row | compare(*found))
    helped = alternate(
        repeats,
        partial(ended, "-m", "experiments.learn_style", "--help"),
        partial(ended, "-c", "import torch"),
    )
    return [*result, {"what": "--help", "resolution": resolution} | compare(*helped)]


def first_step(paths: Sequence[Path], resolution: int) -> float:
    """Seconds that ours takes to its first step; then it is stopped."""
    with tempfile.TemporaryDirectory() as folder:
        metrics = Path(folder) / "run" / "metrics.jsonl"
        words = ["-m", "experiments.learn_style", "--config=anime", "--config.steps=2"]
        words += [f"--config.dataset={','.join(map(str, paths))}"]
        words += [f"--config.resolution={resolution}", f"--workdir={metrics.parent}"]
        begun = time.perf_counter()
        process = _launch(*words, stdout=subprocess.DEVNULL)
        while not (metrics.is_file() and metrics.stat().st_size):
            if process.poll() is not None or time.perf_counter() - begun > _MOST:
                raise InputError("learn_style came to no first step; run it by hand to see why")
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
        process.terminate()  # at the end of its step
        process.wait()
    return seconds


def rival_first_step(paths: Sequence[Path], resolution: int) -> float:
    """Seconds that the PyTorch program takes to its first loss."""
    words = ["-m", "scripts.benchmarks.torch_learning", *map(str, paths), "--steps=1"]
    begun = time.perf_counter()
    process = _launch(*words, f"--resolution={resolution}", stdout=subprocess.PIPE)
    assert process.stdout
    if not process.stdout.readline():
        raise InputError("the PyTorch program came to no first step; run it by hand to see why")
    seconds = time.perf_counter() - begun
    process.communicate()
    return seconds


def ended(*words: str) -> float:
    """Seconds from the launch of Python with these words to its end."""
    begun = time.perf_counter()
    if status := _launch(*words, stdout=subprocess.DEVNULL).wait():
        raise InputError(f"python {' '.join(words[:2])} ended with status {status}")
    return time.perf_counter() - begun


def _launch(*words: str, stdout: int) -> subprocess.Popen:
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=_ROOT,
        env=environment,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )
