"""What is compiled is kept on disk, down to the smallest function."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from styleinv.compilation import Count

ROOT = Path(__file__).resolve().parents[1]
RUN = """
import sys
from experiments import cli, learn_style
from styleinv.compilation import Counter

counter = Counter()
learn_style.execute(cli.parse("learn_style", sys.argv[1:]))
print(*counter.of_all())
"""


@pytest.fixture
def run(pictures, tmp_path):
    """A function: seed -> what a process of its own compiled and read, and its log."""
    words = [
        "--config=anime",
        f"--config.dataset={pictures}",
        "--config.network.weights=random",
        "--config.style.layers=relu1_1",
        "--config.resolution=32",
        "--config.steps=2,2",
    ]

    def run(seed):
        done = subprocess.run(
            [sys.executable, "-c", RUN, *words, f"--config.seeds={seed}", f"--workdir=run{seed}"],
            env=os.environ | {"PYTHONPATH": str(ROOT), "STYLEINV_CACHE": str(tmp_path / "cache")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        compiled, read = map(int, done.stdout.split()[-2:])
        return Count(compiled, read), done.stderr

    return run


def test_a_second_process_in_the_same_shapes_compiles_nothing(run):
    (first, _), (second, _) = run(0), run(1)
    assert first.compiled > 5
    assert second == Count(0, first.compiled + first.read)


def test_a_damaged_entry_is_compiled_anew_once(run, tmp_path):
    run(0)
    entries = sorted((tmp_path / "cache" / "compiled").glob("*-cache"))
    for entry, size in zip(entries, [0, 100, 1000] * len(entries), strict=False):
        os.truncate(entry, min(size, entry.stat().st_size // 2))
    (second, log), (third, later) = run(1), run(2)
    assert second.compiled >= len(entries) // 2
    assert "what was kept of compiled jit_" in log
    assert third.compiled == 0
    for said in (log, later):
        assert "persistent compilation cache" not in said
    assert "damaged" not in later
