"""How long the inner loop takes, always against a rival in the same run.

    python scripts/benchmark.py step --resolutions 128 256 --repeats 9

`step` is value and gradient of the Gram objective over all layers; the rival is the same network
with direct convolutions only. The two alternate, and medians and their ratio are printed, so that a
noisy machine disturbs both alike. With --json FILE the rows are also written there.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import jax.numpy as jnp
import numpy as np

from styleinv import files, weights
from styleinv.errors import InputError
from styleinv.objective import Objective, style_term
from styleinv.style import measure
from styleinv.vgg import VGG, layer_names


@jax.jit
def value_and_gradient(image, network, objective):
    """The step without the solver: f32[], f32[h, w, 3]."""

    def loss(image):
        return objective(image, network(image, objective.layers))[0]

    return jax.value_and_grad(loss)(image)


def seconds(image, network, objective) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(value_and_gradient(image, network, objective))
    return time.perf_counter() - begin


def step(resolutions: list[int], repeats: int) -> list[dict]:
    """One row for each resolution."""
    loaded, layers = weights.load("default"), layer_names()
    networks = {
        kind: VGG(
            loaded.kernels, loaded.biases, loaded.matrix, loaded.offset, convolution=convolution
        )
        for kind, convolution in (("ours", "auto"), ("rival", "direct"))
    }
    rows = []
    for resolution in resolutions:
        generator = np.random.default_rng(0)
        target, image = (
            jnp.asarray(generator.random((resolution, resolution, 3)), jnp.float32)
            for _ in range(2)
        )
        style = measure(networks["rival"], target, layers, resolution=resolution)
        objective = Objective({"style": style_term(style, layers, "gram", "normalized")})
        first = {kind: seconds(image, network, objective) for kind, network in networks.items()}
        times = {kind: [] for kind in networks}
        for _ in range(repeats):
            for kind, network in networks.items():
                times[kind].append(seconds(image, network, objective))
        row = {"resolution": resolution}
        row |= {kind: statistics.median(found) for kind, found in times.items()}
        row |= {"ratio": row["ours"] / row["rival"], "compile": first["ours"] - row["ours"]}
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["step"])
    parser.add_argument("--resolutions", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="a file for the rows")
    arguments = parser.parse_args()
    try:
        rows = step(arguments.resolutions, arguments.repeats)
        print("resolution  ours (s)  direct only (s)  ratio  compilation of ours (s)")
        for row in rows:
            print(
                f"{row['resolution']:10d}  {row['ours']:8.3f}  {row['rival']:15.3f}  "
                f"{row['ratio']:5.2f}  {row['compile']:.1f}"
            )
        if arguments.json:
            files.write(arguments.json, json.dumps(rows, indent=2).encode())
    except InputError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
