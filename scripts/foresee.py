"""What XLA's compiler makes of a step for an accelerator that is not there.

    pip install "jax[cuda12]==0.10.2" && python scripts/foresee.py h100 --resolutions 256 2048
    pip install "jax[tpu]==0.10.2" && python scripts/foresee.py v5e --resolutions 128

The compiler is the real one, and so are memory, the number of kernels and what they read and write;
nothing runs. What cuDNN asks for besides, while it convolves, is not in the memory.
"""

import argparse
import math
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # there is no TPU to ask for its place

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from scripts.benchmarks import ours
from styleinv import minimize, precision, style
from styleinv.compiler_options import FAST, FRUGAL
from styleinv.errors import InputError
from styleinv.lbfgs import LBFGS
from styleinv.parameters import PARAMETERS
from styleinv.synthesize import ImageLoss

# What XLA asks a device for, of an H100 with 80 GB (NVIDIA's figures).
_H100 = """
gpu_device_info {
  name: "NVIDIA H100 80GB HBM3" device_vendor: "NVIDIA Corporation" core_count: 132
  platform_version: "Compute Capability 9.0" cuda_compute_capability { major: 9 }
  clock_rate_ghz: 1.98 fpus_per_core: 128 memory_bandwidth: 3352320000000
  device_memory_size: 84942979072 device_address_bits: 64 l2_cache_size: 52428800
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472 registers_per_core_limit: 65536 registers_per_block_limit: 65536
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  driver_version: "13.0.0" runtime_version: "12.9.0" dnn_version: "9.10.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
"""
DEVICES = {
    "h100": ("gpu", "h100", {"platform": "cuda", "topology": "1x1x1", "target_config": _H100}),
    "v5e": ("tpu", "v5e:2x2", {"platform": "tpu"}),
}
_AT_ONCE = 10  # steps in a dispatch, the default of accelerators


def device(name: str) -> tuple[str, Any]:
    """(platform, a device to compile for)."""
    platform, topology, words = DEVICES[name]
    try:
        return platform, topologies.get_topology_desc(topology, **words).devices[0]
    except (NotImplementedError, RuntimeError) as error:
        reason = f"there is no compiler for {name} here ({error}); see --help"
        raise InputError(reason) from None


def compile_step(
    target: Any, resolution: int, chosen: precision.Precision, rematerialize: bool
) -> Any:
    """Ten steps of L-BFGS towards Gram matrices of all 16 layers, compiled as a run does."""
    network = ours.load_network(convolution="direct")
    names = network.layers
    objective = ours.gram_objective(style.measure(network, ours.noise(64), names, resolution=64))
    loss = ImageLoss(PARAMETERS["pixels"].decode, rematerialize, chosen)
    solver = LBFGS()
    params = jax.ShapeDtypeStruct((resolution, resolution, 3), jnp.float32)
    values = jax.eval_shape(loss, params, (network, objective))[1]
    state = jax.eval_shape(solver.init, params, values)

    def there(tree):
        def placed(x):
            own = SingleDeviceSharding(target)
            return jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x), sharding=own)

        return jax.tree.map(placed, tree)

    steps = jax.jit(
        partial(minimize.take_steps, loss, solver, _AT_ONCE),
        donate_argnums=(0, 1),
        compiler_options=FRUGAL if rematerialize else FAST,
    )
    given = there((params, state, (network, objective), jnp.int32(_AT_ONCE)))
    return steps.lower(*given).compile()


class Loop(NamedTuple):
    """What a loop of a GPU's program does in one round.

    Attributes:
        kernels: how many it launches.
        bytes: that these read and write; some of them come from a cache.
    """

    kernels: int
    bytes: int


def loops(text: str) -> list[Loop]:
    """Those of a program as XLA writes it, innermost first."""
    parts = {
        match[1]: match[2]
        for match in re.finditer(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\n((?:  .*\n)*)", text, re.M)
    }
    lines = re.compile(r"  (?:ROOT )?%?([\w.\-]+) = (\([^=]*?\)|\S+) ([\w\-]+)\((.*?)\)")
    found = []
    for body in dict.fromkeys(re.findall(r"body=%?([\w.\-]+)", text)):
        sizes, kernels, moved = {}, 0, 0
        for name, shape, operation, words in lines.findall(parts.get(body, "")):
            sizes[name] = _bytes(shape)
            if operation in ("fusion", "custom-call", "copy", "dot"):
                kernels += 1
                read = (sizes.get(word.strip(" %"), 0) for word in words.split(","))
                moved += sizes[name] + sum(read)
        found.append(Loop(kernels, moved))
    return found


def _bytes(shape: str) -> int:
    """Of an array, or of a tuple of them, as XLA writes them."""
    each = re.findall(r"(pred|[a-z]+(\d+))\[([\d,]*)\]", shape)
    return sum(
        int(bits or 8) // 8 * math.prod(int(side) for side in sides.split(",") if side)
        for _, bits, sides in each
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("device", choices=DEVICES)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[256])
    parser.add_argument("--precision", choices=precision.PRECISIONS, default="auto")
    given = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    try:
        platform, target = device(given.device)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    chosen = precision.choose(given.precision, platform)
    for resolution in given.resolutions:
        for rematerialize in (False, True):
            begun = time.perf_counter()
            compiled = compile_step(target, resolution, chosen, rematerialize)
            memory = compiled.memory_analysis()
            kept = memory.argument_size_in_bytes + memory.output_size_in_bytes
            kept -= memory.alias_size_in_bytes
            rounds = [f"{k} kernels, {n / 1e6:.0f} MB" for k, n in loops(compiled.as_text())]
            print(
                f"{resolution} px{', rematerialize' if rematerialize else ''}: "
                f"{kept / 1e6:.0f} MB in and out, {memory.temp_size_in_bytes / 1e6:.0f} besides; "
                f"loops: {'; '.join(rounds)}; compiled in {time.perf_counter() - begun:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
