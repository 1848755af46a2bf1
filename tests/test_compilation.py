"""What is compiled is kept on disk, down to the smallest function."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_a_second_process_in_the_same_shapes_compiles_nothing(pictures, tmp_path):
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
            [sys.executable, "-c", RUN, *words, f"--config.seeds={seed}", f"--workdir={seed}"],
            env=os.environ | {"PYTHONPATH": str(ROOT), "STYLEINV_CACHE": str(tmp_path / "cache")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        compiled, read = map(int, done.stdout.split()[-2:])
        return Count(compiled, read)

    first, second = run(0), run(1)
    assert first.compiled > 5
    assert second == Count(0, first.compiled + first.read)
