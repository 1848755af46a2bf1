"""What a pass over very many pictures takes.

    python scripts/scale.py memory --count 20000 --resolution 32
    python scripts/scale.py speed --resolutions 32 64 128 --rounds 7
    python scripts/scale.py loader --resolution 64

The pictures are made on the spot, from a seed, in a temporary folder. `memory` watches the resident
size. `speed` is the pass against the network's forward pass alone on the same batches (up to its
last layer; and with the features of all layers as its result), against the pass's own work on the
device, and, where PyTorch is installed, against its forward pass in a process of its own; turn by
turn, so that a noisy machine disturbs all alike. Its files are three times as large as they are
seen. `loader` reads and resizes only, in threads and in processes.
"""

import argparse
import importlib.util
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import numpy as np

from scripts.benchmarks import ours
from scripts.benchmarks.program import Program
from scripts.benchmarks.race import alternate, compare
from scripts.many_pictures import pictures
from styleinv import dataset
from styleinv.compiler_options import FRUGAL
from styleinv.manifest import Item
from styleinv.measuring import batch_moments, loader
from styleinv.measuring import part as part_file
from styleinv.measuring.batches import stack
from styleinv.measuring.part import Part
from styleinv.measuring.pipeline import batch_size, measure_items
from styleinv.measuring.sample import Plan, Sample, read_sample
from styleinv.measuring.sums import Sums
from styleinv.vgg import PIXELS, VGG


def resident() -> float:
    """Megabytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def plan_of(network: VGG, resolution: int) -> Plan:
    """All 16 layers and the pixels, at one resolution."""
    return Plan((PIXELS, *network.layers), (resolution,), network=network.layers)


def empty(items: Sequence[Item], plan: Plan) -> Part:
    """A part that nothing is in."""
    return Part(Sums.empty(plan.regions, plan.resolutions, plan.layers), len(items))


def memory(count: int, resolution: int) -> None:
    """Resident size after 500 images and after all, checkpoints every minute included."""
    network = ours.load_network()
    plan = plan_of(network, resolution)
    with pictures(count) as folder:
        items = dataset.shares(dataset.find(folder))
        part, done, saved = empty(items, plan), 0, time.monotonic()
        seen, marks = {}, [k for k in (500, 2000, 5000, 10_000, 15_000) if k < count] + [count]
        begun = saved

        def due():
            return time.monotonic() - saved >= 60

        for advance in measure_items(
            network, items, range(count), plan, part, skip=True, settle=due
        ):
            done += advance.count
            if advance.settled:
                part_file.save(folder.parent / "part.safetensors", part, {})
                saved = time.monotonic()
            while marks and done >= marks[0]:
                seen[marks.pop(0)] = resident()
                print(f"{done:6d} images: {resident():7.1f} MB after {saved_at(begun)}", flush=True)
    first = min(seen)
    print(f"from {first} to {count}: {seen[count] - seen[first]:+.1f} MB")


def saved_at(begun: float) -> str:
    """The seconds since then."""
    return f"{time.monotonic() - begun:.0f} s"


@partial(jax.jit, static_argnames="layers", compiler_options=FRUGAL)
def forward(network: VGG, images: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
    """The network alone."""
    return jax.vmap(lambda image: network(image, layers))(images)


def speed(resolutions: Sequence[int], rounds: int, batches: int) -> None:
    """Images per second of the pass, of its device step, and of the forward pass, turn by turn."""
    mesh = batch_moments.mesh_of(jax.local_devices())
    network = batch_moments.to_all(mesh, ours.load_network())
    for resolution in resolutions:
        plan = plan_of(network, resolution)
        size = batch_size(plan)
        files = pictures(size * batches, [3 * resolution])  # squares, so that all go together
        with files as folder, _torch(folder, resolution) as theirs:
            items = dataset.shares(dataset.find(folder))
            samples = [_load(items, plan, k) for k in range(len(items))]
            every = [
                stack(samples[k : k + size], np.ones(size), resolution, plan.layers, size)
                for k in range(0, len(samples), size)
            ]

            def alone(every=every):
                for images, *_ in every:
                    jax.block_until_ready(forward(network, images, network.layers[-1:]))

            def features(every=every):
                for images, *_ in every:
                    jax.block_until_ready(forward(network, images, network.layers))

            def step(every=every, plan=plan):
                for images, counted, _ in every:
                    found = batch_moments.measure_batch(network, images, counted, plan.layers, mesh)
                    jax.block_until_ready(found)

            def whole(items=items, plan=plan):
                part = empty(items, plan)
                for _ in measure_items(network, items, range(len(items)), plan, part):
                    pass

            turns = {
                "forward": partial(ours.seconds, alone),
                "features": partial(ours.seconds, features),
                "step": partial(ours.seconds, step),
            }
            if theirs:
                turns["PyTorch's forward"] = partial(theirs, "forward", size)
            turns["pass"] = partial(ours.seconds, whole)
            found = alternate(1 + rounds, *turns.values())  # the first turn compiles
            times = {name: each[1:] for name, each in zip(turns, found, strict=True)}
            mine = times["pass"]
            ratios = {k: compare(mine, each)["ratio"] for k, each in times.items() if k != "pass"}
            rates = {k: len(items) / statistics.median(each) for k, each in times.items()}
            print(
                f"{resolution} px, batches of {size}: "
                + ", ".join(f"{name} {rate:.1f} images/s" for name, rate in rates.items())
                + "; the pass's time over theirs: "
                + ", ".join(f"{ratio:.3f} ({name})" for name, ratio in ratios.items()),
                flush=True,
            )


def _torch(folder: Path, resolution: int) -> AbstractContextManager[Program | None]:
    """PyTorch's network in a process of its own; None where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return nullcontext()
    return Program("scripts.benchmarks.torch_pass:TorchPass", folder, resolution)


def load_only(count: int, resolution: int) -> None:
    """Images per second that are read, decoded and resized, without a network."""
    plan = Plan((PIXELS, "relu1_1"), (resolution,))
    with pictures(count, [1024]) as folder:
        paths = sorted(folder.iterdir())
        load = partial(_load_file, plan)
        for _ in range(3):
            for workers in (1, 2):
                begun = time.perf_counter()
                for _ in loader.ahead(load, paths, threads=workers, most=64):
                    pass
                threads = count / (time.perf_counter() - begun)
                with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
                    list(pool.map(load, paths[:workers]))  # they are there
                    begun = time.perf_counter()
                    for _ in pool.map(load, paths, chunksize=8):
                        pass
                    processes = count / (time.perf_counter() - begun)
                print(f"{workers}: threads {threads:.0f}, processes {processes:.0f} images/s")


def _load(items: Sequence[Item], plan: Plan, index: int) -> Sample:
    found = read_sample(index, items[index], plan)
    assert isinstance(found, Sample)
    return found


def _load_file(plan: Plan, path: Path) -> Sample:
    return _load([Item(path.name, path)], plan, 0)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["memory", "speed", "loader"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=6)
    given = parser.parse_args()
    ours.set_up(keep_freed=False)  # as `experiments.measure` begins
    {
        "memory": lambda: memory(given.count or 20_000, given.resolution),
        "speed": lambda: speed(given.resolutions, given.rounds, given.batches),
        "loader": lambda: load_only(given.count or 400, given.resolution),
    }[given.what]()


if __name__ == "__main__":
    main()
