"""A fuzz campaign: every reader gets files near valid ones, and hostile ones.

python scripts/fuzz.py
python scripts/fuzz.py --inputs 500 --targets manifests,weights --seed 3
python scripts/fuzz.py --replay fuzz_failures/weights-17

Each input must end in a value or in one line for a person (styleinv.errors.InputError): within
bounds of time and memory, with no file read outside of its folder, nothing written, and nothing
started. Inputs that do not are kept, and the exit status is 1. Needs the package hypothesis.
"""

import argparse
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # write torch's files

from fuzzing.worker import OURS, TARGETS, Watch, work

_FEW = {"bombs": 0.001}  # share of the inputs, where it is not alike for all: these take seconds
_KEPT = 20  # failing inputs of a target
_HEAVY = ["hypothesis.strategies", "jax", "flax.nnx"]  # imported once for all processes


class Count:
    """What became of the inputs of one target."""

    def __init__(self):
        self.accepted = self.refused = 0
        self.failed: list[str] = []
        self.seconds = self.megabytes = 0.0

    @property
    def inputs(self) -> int:
        return self.accepted + self.refused + len(self.failed)


def attack(name: str, inputs: int, seed: int, failures: Path) -> Count:
    """Gives a target its inputs, in as many processes as it brings down, one after the other."""
    count, attempt = Count(), 0
    while count.inputs < inputs:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
            left = inputs - count.inputs
            status = sit(count, name, left, seed + 1000 * attempt, Path(root), failures)
        if not status:
            break
        attempt += 1
    return count


def sit(count: Count, name: str, inputs: int, seed: int, root: Path, failures: Path) -> int | None:
    """One process, until it is done or down; its exit status."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_HEAVY)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(name, inputs, seed, root, sender))
    process.start()
    sender.close()
    with suppress(EOFError):
        while True:
            told, kept = receiver.recv()
            count.seconds = max(count.seconds, told.seconds)
            count.megabytes = max(count.megabytes, told.megabytes)
            count.accepted += told.accepted and not told.problem
            count.refused += not told.accepted and not told.problem
            if told.problem:
                keep(count, name, told.problem, kept, failures)
    process.join()
    in_work = root / "space" / "input"
    if process.exitcode == OURS or (process.exitcode and not in_work.exists()):
        raise SystemExit(f"the campaign itself failed at {name}")
    if process.exitcode:
        problem = f"the process ended with status {process.exitcode}: a hang or a crash"
        keep(count, name, problem, in_work, failures)
    return process.exitcode


def keep(count: Count, name: str, problem: str, folder: Path, failures: Path) -> None:
    """Copies the input that failed, and says what is wrong with it."""
    count.failed.append(problem)
    if len(count.failed) <= _KEPT:
        to = failures / f"{name}-{count.inputs}"
        shutil.rmtree(to, ignore_errors=True)
        failures.mkdir(parents=True, exist_ok=True)
        copy(folder, to)
        print(f"{to}: {problem}", flush=True)


def copy(folder: Path, to: Path) -> None:
    """Copies links as links and pipes as pipes, which shutil does not."""
    subprocess.run(["cp", "-a", folder, to], check=True)


def table(counts: dict[str, Count]) -> str:
    """One row a target."""
    rows = ["| target | inputs | accepted | refused | failed | worst time | peak memory |"]
    rows += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    whole = Count()
    for name, count in counts.items():
        rows.append(f"{row(name, count)} {count.seconds:.2f} s | {count.megabytes:,.0f} MB |")
        whole.accepted += count.accepted
        whole.refused += count.refused
        whole.failed += count.failed
    return "\n".join([*rows, f"{row('all', whole)} | |"])


def row(name: str, count: Count) -> str:
    """The first cells of a row."""
    numbers = (count.inputs, count.accepted, count.refused, len(count.failed))
    return " | ".join([f"| {name}", *(f"{number:,}" for number in numbers), ""]).rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=24_000, help="over all targets")
    parser.add_argument("--targets", default=",".join(TARGETS), help=", ".join(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--failures", type=Path, default=Path("fuzz_failures"))
    parser.add_argument("--replay", type=Path, help="a failing input that was kept")
    arguments = parser.parse_args()
    if arguments.replay:
        return replay(arguments.replay.resolve())
    names = arguments.targets.split(",")
    if unknown := set(names) - set(TARGETS):
        parser.error(f"{', '.join(sorted(unknown))}: targets are {', '.join(TARGETS)}")
    even = sum(name not in _FEW for name in names) or 1
    sizes = [max(2, int(arguments.inputs * _FEW.get(name, 1 / even))) for name in names]
    with ThreadPoolExecutor(arguments.workers) as pool:
        found = pool.map(
            lambda name, size: attack(name, size, arguments.seed, arguments.failures), names, sizes
        )
        counts = dict(zip(names, found, strict=True))
    print(table(counts))
    return 1 if any(count.failed for count in counts.values()) else 0


def replay(kept: Path) -> int:
    """Gives an input that was kept to its target again."""
    with tempfile.TemporaryDirectory() as root:
        target = kept.name.rpartition("-")[0]
        watch = Watch(target, Path(root) / "space")
        copy(kept, Path(root) / "space" / "input")
        told = watch(Path(root) / "space" / "input")
    print(told.problem or ("accepted" if told.accepted else "refused"))
    return 1 if told.problem else 0


if __name__ == "__main__":
    sys.exit(main())
