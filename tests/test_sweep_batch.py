"""Cells of a sweep whose steps are taken as one: the same as one by one."""

import csv
import json

import numpy as np
import pytest

from experiments import sweep
from styleinv import images

BASE = [
    "--config=anime",
    "--config.style.layers=relu1_1,relu2_1",
    "--config.resolution=64",
    "--config.steps=12",
]


@pytest.fixture
def cells(command, tmp_path):
    """A function: words -> (exit status, the rows of metrics.csv, the folder of the cells)."""

    def run(name, *words):
        folder = tmp_path / name
        status = command(sweep, [*BASE, *words, f"--workdir={folder}"])
        rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
        return status, rows, folder / "cells"

    return run


def losses(folder):
    return [
        json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().split("\n")[:-1]
    ]


def test_batched_cells_are_what_they_are_one_by_one(cells):
    """On the real network; with two at a time, one is left over.

    To 1e-4 of the loss that a cell begins with, over twelve steps: the rounding of a batch is
    another, and grows along the way as that of any two programs does, until a line search of one
    accepts what that of the other does not (with eight steps a stage, at the fourteenth).
    """
    words = ["--grid=seed=0,1,2;dataset.size=1,2,3"]
    _, alone, desired = cells("alone", *words)
    status, rows, actual = cells("together", *words, "--batch=2")
    assert status == 0
    assert [row["status"] for row in rows] == ["finished"] * 3
    for row, other in zip(rows, alone, strict=True):
        found = [losses(folder / row["cell"]) for folder in (actual, desired)]
        np.testing.assert_allclose(*found, rtol=0, atol=1e-4 * found[1][0])
        assert float(row["loss"]) == pytest.approx(float(other["loss"]), abs=1e-4 * found[1][0])
        pictures = [images.read(folder / row["cell"] / "style.png") for folder in (actual, desired)]
        assert np.abs(pictures[0] - pictures[1]).mean() < 0.5 / 255


def test_a_cell_that_fails_leaves_its_batch_alone(cells):
    words = ["--grid=seed=0,1", "--grid=region=none,sea", "--config.dataset.size=1"]
    status, rows, _ = cells("run", *words, "--batch=4")
    assert status == 1
    found = [row["status"] for row in rows]
    assert [each.partition(":")[0] for each in found] == ["finished", "failed"] * 2
    assert "has no mask_sea (but sky, ground)" in found[1]


@pytest.mark.parametrize(
    "words",
    [
        ["--batch=0"],
        ["--batch=x"],
        ["--batch=2", "--workers=2"],
        ["--batch=2", "--grid=network.split=false,true"],
    ],
)
def test_wrong_batches_end_in_one_line(command, capsys, words, tmp_path):
    assert command(sweep, [*BASE, "--grid=seed=0,1", *words, f"--workdir={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --batch (=")
    assert not (tmp_path / "run").exists()
