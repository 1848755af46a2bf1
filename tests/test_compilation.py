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
FUNCTIONS = """
import jax
from styleinv.compilation import Counter, keep_compiled

counter = Counter()
keep_compiled()
for function in (jax.numpy.cumsum, jax.numpy.sort, jax.numpy.linalg.norm):
    jax.jit(function)(jax.numpy.arange(4.0))
print(*counter.of_all())
"""


@pytest.fixture
def run(tmp_path):
    """A function: program, its words -> what a process of its own compiled and read, its log."""

    def process(program, *words):
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env=os.environ | {"PYTHONPATH": str(ROOT), "STYLEINV_CACHE": str(tmp_path / "cache")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        compiled, read = map(int, done.stdout.split()[-2:])
        return Count(compiled, read), done.stderr

    return process


def test_a_second_process_in_the_same_shapes_compiles_only_what_is_damaged(run, pictures, tmp_path):
    words = [
        "--config=anime",
        f"--config.dataset={pictures}",
        "--config.network.weights=random",
        "--config.style.layers=relu1_1",
        "--config.resolution=32",
        "--config.steps=2",
    ]
    first, _ = run(RUN, *words, "--config.seeds=0", f"--workdir={tmp_path / 'first'}")
    assert first.compiled > 5
    (entry,) = (tmp_path / "cache" / "compiled").glob("jit__sine_init-*-cache")
    os.truncate(entry, 100)
    second, log = run(RUN, *words, "--config.seeds=1", f"--workdir={tmp_path / 'second'}")
    assert second == Count(1, first.compiled + first.read - 1)
    assert "what was kept of compiled jit_" in log
    assert "persistent compilation cache" not in log


def test_a_damaged_entry_is_compiled_anew_once(run, tmp_path):
    run(FUNCTIONS)
    entries = sorted((tmp_path / "cache" / "compiled").glob("*-cache"))
    assert len(entries) >= 3
    for entry, size in zip(entries, [0, 100, 1000] * len(entries), strict=False):
        os.truncate(entry, min(size, entry.stat().st_size // 2))
    (second, log), (third, later) = run(FUNCTIONS), run(FUNCTIONS)
    assert second.compiled >= len(entries) // 2
    assert "what was kept of compiled jit_" in log
    assert third.compiled == 0
    for said in (log, later):
        assert "persistent compilation cache" not in said
    assert "damaged" not in later
