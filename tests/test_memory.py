"""How much memory a run needs, and how much there is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import cli
from experiments.inputs import refuse_large
from styleinv import lbfgs, memory, minimize, style
from styleinv.errors import InputError
from styleinv.objective import Objective, style_term
from styleinv.parameters import PARAMETERS
from styleinv.synthesize import ImageLoss
from styleinv.vgg import VGG, layer_channels, layer_names


def test_the_memory_that_is_needed_is_that_of_xla(default_weights):
    """The features' part of the estimate, against XLA's own analysis of a step."""
    layers, pairs, w = layer_names()[:4], 4, default_weights
    network = VGG(w.kernels, w.biases, w.matrix, w.offset, deepest=layers[-1])
    channels = [layer_channels(layer) for layer in layers]
    moments = [style.of_one(np.ones(count), np.eye(count)) for count in channels]
    measured = style.Style(64, dict(zip(layers, moments, strict=True)))
    problem = network, Objective({"style": style_term(measured, layers, "gram", "fine")})
    for again, side, step in ((False, 512, minimize._step), (True, 1024, minimize._frugal_step)):
        params = jnp.zeros((side, side, 3))
        loss, solver = ImageLoss(PARAMETERS["waves"].decode, again), lbfgs.LBFGS(pairs)
        values = jax.eval_shape(loss, params, problem)[1]
        state = jax.eval_shape(solver.init, params, values)
        stepping = step.lower(loss, solver, params, state, problem)
        measuring = style._measure.lower(network, params, {"": None}, layers)
        found = [x.compile().memory_analysis().temp_size_in_bytes for x in (stepping, measuring)]
        state_bytes = (1 if again else 2) * 12 * (2 * pairs + 8)
        actual = memory.needed(layers, side**2, pairs, rematerialize=again) - 1.5e9
        desired = max(found) + state_bytes * side**2
        assert 0.8 < actual / desired < 1.3, (again, actual / desired)


def test_of_an_image_that_devices_share_one_needs_the_less():
    """In the proportion of docs/performance.md, and what is measured before as much as ever."""
    alone, shared = (
        memory.needed(layer_names(), 1024**2, 20, strips=False, devices=n) - 1.5e9 for n in (1, 8)
    )
    assert 2611 / 416 * 0.8 < alone / shared < 8


def test_a_style_that_is_seen_larger_needs_the_more(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 3e9)
    line = ["--config=transfer", "--config.resolution=1024", "--config.network.rematerialize=true"]
    for scale in (0.5, 1, 2):
        refuse_large(cli.parse("transfer", [*line, f"--config.style.scale={scale}"]).config)
    with pytest.raises(InputError, match=r"\(=1024\) needs about 5 GB of memory, and 3 GB"):
        refuse_large(cli.parse("transfer", [*line, "--config.style.scale=4"]).config)


@pytest.mark.parametrize(("limit", "free"), [("4000000000", 2.5e9), ("max", None)])
def test_files_that_a_container_has_read_are_free_memory(tmp_path, monkeypatch, limit, free):
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text("3500000000\n")
    counts = "anon 1200000000\nactive_file 500000000\ninactive_file 1500000000\nshmem 0\n"
    (tmp_path / "memory.stat").write_text(counts)
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert memory._control_group() == free


def test_inputs_know_the_platforms_memory():
    there = memory.free()
    assert there is None or 1e8 < there < 1e14
