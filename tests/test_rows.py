"""One image over several devices, which a process has from its start: so it is one of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from styleinv import rows

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import json, sys
import jax
from experiments import cli
from experiments.inputs import load_network
from styleinv import images, rows
from styleinv.lbfgs import LBFGS
from styleinv.minimize import minimize
from styleinv.objective import Objective, TotalVariationTerm, style_term
from styleinv.parameters import PARAMETERS
from styleinv.style import measure
from styleinv.synthesize import ImageLoss

network, _ = load_network(cli.parse("learn_style", ["--config=anime", sys.argv[1]]).config)
painting = images.resize(images.read("data/anime/01.jpg"), 48, 64)
layers = "relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"
style = measure(network, painting, layers, resolution=48)
term = style_term(style, layers, "gram", "fine", weight=1.0)
problem = network, Objective({"style": term, "tv": TotalVariationTerm(jax.numpy.float32(0.3))})
pixels = PARAMETERS["pixels"]
loss, noise = ImageLoss(pixels.decode), jax.random.uniform(jax.random.key(0), (48, 64, 3))
start, losses = pixels.init(0.4 + 0.2 * noise), []
for step in (None, rows.Rows(jax.devices()).step):
    for snapshot in minimize(loss, start, problem, LBFGS(5), 6, step=step):
        losses.append(snapshot.loss)
shards = snapshot.params.addressable_shards
print(json.dumps([losses, [shard.data.shape for shard in shards]]))
"""


def run(*words, devices):
    """What the program prints."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=ROOT,
        env=os.environ
        | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
        | {"PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_rows_on_four_devices_go_the_way_of_one():
    """On the real network; of 48 rows each device has 12, and less than one of the deepest."""
    losses, shapes = json.loads(run("--config.network.split=true", devices=4))
    assert shapes == [[12, 64, 3]] * 4
    alone, split = losses[:6], losses[6:]
    assert alone[-1] < 0.9 * alone[0]
    np.testing.assert_allclose(split, alone, rtol=1e-4)


def test_rows_that_do_not_go_to_all_devices_say_so(caplog):
    own = rows.Rows(range(4))
    own._say(888, rows._evenly(888, 4))
    assert caplog.text == ""
    own._say(887, rows._evenly(887, 4))
    assert "887 rows go evenly to 1 of 4 devices: choose another config.resolution" in caplog.text
