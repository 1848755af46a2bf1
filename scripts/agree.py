"""Whether a style is the same however its pictures were measured.

    python scripts/agree.py passes --count 300
    python scripts/agree.py drift

`passes` compares the styles of one and eight devices, one to three processes and another order, by
the program itself. `drift` adds up 200,000 synthetic images in batches of float32, against extended
precision.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from scripts.many_pictures import pictures
from styleinv import style_file
from styleinv.measuring.batch_moments import BatchMoments
from styleinv.measuring.sums import Sums
from styleinv.style import Style
from styleinv.vgg import PIXELS

ROOT = Path(__file__).resolve().parents[1]


def run(folder: Path, workdir: Path, words: Sequence[str], devices: int = 1) -> subprocess.Popen:
    """The program, in a process of its own."""
    command = [sys.executable, "-m", "experiments.measure", "--config=anime", *words]
    command += [f"--config.dataset={folder}", f"--workdir={workdir}"]
    flags = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"XLA_FLAGS": flags})


def passes(count: int, resolution: int) -> None:
    """The largest differences to one device, relative to the largest value of the layer."""
    words = [f"--config.resolution={resolution}", "--config.steps=1"]
    with pictures(count) as folder:
        home = folder.parent
        other = home / "permuted"
        shutil.copytree(folder, other)
        names = np.random.default_rng(0).permutation(sorted(p.name for p in folder.iterdir()))
        (other / "metadata.csv").write_text("\n".join(["file_name", *names]))
        found = {}
        for name, source, devices, processes in (
            ("one device", folder, 1, 1),
            ("eight devices", folder, 8, 1),
            ("another order", other, 1, 1),
            ("two processes", folder, 1, 2),
            ("three processes", folder, 1, 3),
        ):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                address = f"--coordinator=127.0.0.1:{free.getsockname()[1]}"
            launch = [address, f"--processes={processes}"] if processes > 1 else []
            each = [[f"--process={k}"] for k in range(processes)] if launch else [[]]
            running = [run(source, home / name, [*words, *launch, *own], devices) for own in each]
            assert {process.wait() for process in running} == {0}
            found[name], _ = style_file.load(home / name / "style.safetensors")
        first = found.pop("one device")
        for name, styles in found.items():
            print(f"{name}: {difference(styles[resolution], first[resolution])}", flush=True)


def difference(actual: Style, desired: Style) -> str:
    """Of means, second moments and spreads, each the worst of all layers."""
    worst = np.zeros(3)
    for layer, moments in desired.moments.items():
        mine = actual.moments[layer]
        norm = (np.float64(moments.second) ** 2).sum()
        rows = [
            np.abs(np.float64(mine.mean) - moments.mean).max() / moments.mean.max(),
            np.abs(np.float64(mine.second) - moments.second).max() / moments.second.max(),
            abs(float(mine.spread.gram) - float(moments.spread.gram)) / norm,
        ]
        worst = np.maximum(worst, rows)
    return "mean {:.1e}, second moment {:.1e}, spread {:.1e}".format(*worst)


def drift(count: int, size: int = 50) -> None:
    """Images of one position each, far from zero; what a running float32 sum would give, too."""
    generator, sums, every = np.random.default_rng(0), Sums.empty(["all"], [16], [PIXELS]), []
    running = np.zeros((3, 3), np.float32)
    for _ in range(count // size):
        exact = (1000 + generator.standard_normal((size, 3))).astype(np.float32)
        exact = exact.astype(np.longdouble)
        every.append(exact)
        second = (np.einsum("bi,bj->ij", exact, exact) / size).astype(np.float32)
        squares = [(exact**2).sum(1), (exact**2).sum(1) ** 2, ((exact - 1) ** 2).sum(1) ** 2]
        found = BatchMoments(
            exact.mean(0).astype(np.float32), second, np.float32(np.stack(squares, 1))
        )
        sums.add_batch(("all", 16, PIXELS), np.ones(size), found)
        running += size * second
    moments = sums.styles()["all"][16].moments[PIXELS]
    rows = np.concatenate(every)
    second = rows.T @ rows / count
    for name, value in (("the pass", moments.second), ("a float32 sum", running / count)):
        worst = float(abs(value / second - 1).max())
        print(f"{count} images, {name}: second moment off by {worst:.1e}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["passes", "drift"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--resolution", type=int, default=32)
    given = parser.parse_args()
    if given.what == "passes":
        passes(given.count or 300, given.resolution)
    else:
        drift(given.count or 200_000)


if __name__ == "__main__":
    main()
