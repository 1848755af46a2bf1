"""scripts/study.py: short studies, their table and picture, what is refused; its solvers."""

import dataclasses
import io
import json
import sys
from itertools import count, pairwise
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import cli
from scripts import study
from scripts.benchmarks import ours
from scripts.studies import cases, representations, show, timing, variants
from scripts.studies.solvers import Adam, Carried, Counted, Earlier, StrongWolfe
from styleinv.lbfgs import LBFGS
from styleinv.minimize import minimize
from styleinv.parameters import PARAMETERS

RNG = np.random.default_rng(0)
TARGET = RNG.random((16, 12, 3)).astype(np.float32)
STUDY = {
    "what": "learn",
    "resolution": 32,
    "references": 2,
    "layers": ["relu1_1"],
    "loss": "style",
    "limit": 8,
    "rows": [
        {"variant": "default", "seconds": [2, 4, 8], "loss": [0.4, 0.2, 0.1]},
        {"variant": "waves", "seconds": [3, 6], "loss": [0.3, 0.15]},
        {"variant": "slow", "seconds": [], "loss": []},
    ],
}


def far(params, problem):
    """The mean squared distance to a picture, and badly scaled."""
    decode, (target, scale) = problem[0], problem[1:]
    value = (scale * (decode(params) - target) ** 2).mean()
    return value, {"far": value}


def problem(decode, shape=TARGET.shape):
    target = jnp.asarray(TARGET[: shape[0], : shape[1]])
    scale = 1 + 20 * jnp.arange(shape[1], dtype=jnp.float32)[None, :, None] / shape[1]
    return jax.tree_util.Partial(decode), target, scale


def losses(parameters, solver, steps=10):
    params = parameters.init(jnp.full(TARGET.shape, 0.5))
    frames = minimize(far, params, problem(parameters.decode), solver, steps)
    return [(snapshot.loss, snapshot.values) for snapshot in frames]


@pytest.fixture
def run(monkeypatch):
    """A function: words of a command line -> None."""

    def main(*words):
        monkeypatch.setattr(sys, "argv", ["study.py", *map(str, words)])
        study.main()

    return main


@pytest.fixture
def few(monkeypatch, network):
    """Studies with the real network, loaded once, few layers, and few steps in as many seconds."""
    config_by_name = cli.config_by_name

    def short(name):
        config = config_by_name(name)
        style = dataclasses.replace(config.style, layers=("relu1_1", "relu2_1"))
        content = dataclasses.replace(config.content, layers=("relu2_1",))
        return dataclasses.replace(config, steps=(3, 3), style=style, content=content)

    monkeypatch.setattr(cli, "config_by_name", short)
    ours.set_up()
    monkeypatch.setattr(ours, "load_network", lambda: network)
    monkeypatch.setattr(timing, "_WARM", 2)
    clock = SimpleNamespace(perf_counter=count().__next__)  # a second from look to look
    monkeypatch.setattr(timing, "time", clock)
    yield
    jax.config.update("jax_enable_compilation_cache", True)


@pytest.mark.usefixtures("few")
def test_study_of_learning_has_rows_a_table_and_a_picture(run, tmp_path, capsys):
    out, picture = tmp_path / "learn.json", tmp_path / "learn.png"
    names = "carried pairs", "normalized layers"
    run(
        "learn",
        "--resolution=32",
        "--references=2",
        "--seconds=8",
        f"--out={out}",
        "--only",
        *names,
    )
    found = json.loads(out.read_text())
    assert (found["what"], found["resolution"], found["references"]) == ("learn", 32, 2)
    assert [row["variant"] for row in found["rows"]] == list(names)
    for row in found["rows"]:
        assert row["seconds"] == [4, 5, 6, 7, 8]  # three coarse steps before
        assert len(row["loss"]) == len(row["evaluations"]) == 5
        assert row["evaluations"][0] == 1
        assert row["loss"][-1] < row["loss"][0]
    run("table", out)
    assert "| carried pairs |" in capsys.readouterr().out
    run("plot", out, out, f"--out={picture}")
    with Image.open(picture) as image:
        assert image.width == 1200


@pytest.mark.usefixtures("few")
def test_transfer_has_a_problem_for_each_stage():
    case = cases.transfer(
        64, study.DATA / "photo/china.jpg", study.DATA / "paintings/auvers_sky.jpg"
    )
    sizes = [stage.resolution for stage in case.stages((3, 3), 3)]
    assert sizes == [32, 64]  # 16 px are too few for the deepest layer
    for size in sizes:
        height, width, _ = case.start(size).shape
        assert height < width
        assert list(case.problem_at("")(size)[1].terms) == ["content", "style", "tv"]


@pytest.mark.parametrize("what", ["learn", "transfer"])
def test_variants_have_names_and_parameters_of_their_own(what):
    rows = variants.of(what)[1]
    assert len({row.name for row in rows}) == len(rows)
    assert {row.parameters for row in rows} <= representations.PARAMETERS.keys()


def test_table_has_the_loss_then_and_the_best_in_bold():
    actual = show.table(STUDY, [2, 3.5, 8]).splitlines()[2:]
    assert actual == [
        "| variant | 2 s | 3.5 s | 8 s |",
        "| --- | --- | --- | --- |",
        "| default | **0.4** | 0.4 | **0.1** |",
        "| waves | - | **0.3** | 0.15 |",
        "| slow | - | - | - |",
    ]


def test_plot_takes_studies_without_points():
    empty = STUDY | {"rows": STUDY["rows"][2:]}
    with Image.open(io.BytesIO(show.plot([STUDY, empty]))) as image:
        assert image.size == (1200, 1200)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["learn", "--out=a.json", "--only", "wave"], "--only (=wave) is not known; did you mean"),
        (["transfer", "--out=a.json", "--content=none.jpg"], "none.jpg is not a file"),
        (["plot", "none.json", "--out=a.png"], "none.json does not exist"),
        (["table", __file__], "test_study.py is not a study"),
    ],
)
def test_study_refuses_in_a_line(run, capsys, monkeypatch, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        run(*words)
    found = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in found
    assert found.count("\n") == 1


@pytest.mark.parametrize("name", sorted(representations.PARAMETERS.keys() - PARAMETERS.keys()))
def test_parameters_start_at_the_picture_and_come_nearer_to_another(name):
    parameters = representations.PARAMETERS[name]
    picture = 0.1 + 0.8 * TARGET[:, :11]  # an odd side
    actual = parameters.decode(parameters.init(jnp.asarray(picture)))
    np.testing.assert_allclose(actual, picture, atol=1e-4)
    found = losses(parameters, LBFGS(5), 15)
    assert found[-1][0] < 0.5 * found[0][0]


@pytest.mark.parametrize(
    "solver", [StrongWolfe(5), Adam(0.1, False), Adam(0.1, True, 10)], ids=repr
)
def test_solver_decreases_the_loss_and_is_counted(solver):
    found = losses(PARAMETERS["pixels"], Counted(solver))
    assert found[-1][0] < 0.5 * found[0][0]
    counts = [values["evaluations"] for _, values in found]
    assert min(counts) == 1
    if isinstance(solver, Adam):
        assert max(counts) == 1


def test_adam_of_other_lengths_shares_its_step():
    assert Adam(0.1, True, 5) == Adam(0.1, True, 9)
    last = [losses(PARAMETERS["pixels"], Adam(0.1, True, n), 9)[-1][0] for n in (3, 9)]
    assert last[0] > last[1]  # the shorter decay stood still after three steps


def carry(name):
    """A stage and the one at twice its resolution: (state there, solver of the finer)."""
    parameters, small = PARAMETERS[name], jnp.full((8, 6, 3), 0.5)
    asked = problem(parameters.decode, small.shape)
    *_, last = minimize(far, parameters.init(small), asked, LBFGS(4), 8)
    earlier = Earlier(last.state, last.params.shape)
    return last.state, Carried(LBFGS(4), {"pixels": 0, "waves": 1}[name], earlier)


@pytest.mark.parametrize("name", ["pixels", "waves"])
def test_carried_pairs_are_pairs_of_the_finer_picture_and_lead_down(name):
    old, solver = carry(name)
    state = solver.init(jnp.zeros(TARGET.shape), {"far": jnp.zeros(())})
    held = int(state.count)
    assert held == 4
    moves, turns = np.float64(state.pairs[::2]), np.float64(state.pairs[1::2])
    triangle = np.linalg.inv(np.float64(state.inverse))
    np.testing.assert_allclose(triangle, np.triu(moves @ turns.T), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(state.squared, turns @ turns.T, rtol=1e-4, atol=1e-8)
    # The newest stays the newest. A finer move has four times the pixels, and a turn a quarter of
    # the value at each, so that their product is about the same; less what no longer fits.
    assert 0.6 < old.inverse[-1, -1] / state.inverse[-1, -1] < 1.2
    found = losses(PARAMETERS[name], solver)
    assert all(after[0] <= before[0] for before, after in pairwise(found))
    assert found[-1][0] < 0.2 * found[0][0]


def test_carried_pairs_leave_out_what_is_none():
    old, solver = carry("pixels")
    pairs = old.pairs.at[3].multiply(-1)  # of the second turn: negative curvature
    solver = Carried(solver.solver, 0, Earlier(old._replace(pairs=pairs), (8, 6, 3)))
    state = solver.init(jnp.zeros(TARGET.shape), {"far": jnp.zeros(())})
    assert state.count == 3
    assert not state.pairs[6:].any()
    assert (jnp.diagonal(state.inverse)[-3:] > 0).all()
