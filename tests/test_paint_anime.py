"""The demo painter: same seed, same bytes; a mask of sky and ground; no silent overwriting."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def paint_anime(monkeypatch):
    """The script as a module, with one composition that is quick to paint."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import paint_anime

    def cloud_over_meadow(rng):
        p = paint_anime.Painting(rng, horizon=0.8, sun=(0.1, 0.1))
        paint_anime.cumulus(p, 0.5, 0.8, 0.2, 0.2)
        paint_anime.meadow(p, paint_anime.ridge(p, 0.75, 0.02))
        return p

    monkeypatch.setattr(paint_anime, "COMPOSITIONS", (cloud_over_meadow,))
    return paint_anime


def paint_into(folder, paint_anime, monkeypatch):
    command = ["paint_anime.py", "--out", str(folder), "--seed", "3", "--count", "1"]
    monkeypatch.setattr(sys, "argv", command)
    paint_anime.main()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_paint_anime_same_seed_same_bytes(paint_anime, monkeypatch, tmp_path):
    actual = paint_into(tmp_path / "one", paint_anime, monkeypatch)
    desired = paint_into(tmp_path / "other", paint_anime, monkeypatch)
    assert list(actual) == ["01.jpg", "masks/01.png", "metadata.csv"]
    assert actual == desired

    with (tmp_path / "one" / "metadata.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {
                "file_name": "01.jpg",
                "weight": "1",
                "mask_sky": "masks/01.png",
                "mask_ground": "masks/01.png#000000",
            }
        ]
    mask = Image.open(tmp_path / "one" / "masks" / "01.png")
    assert (mask.mode, mask.size) == ("L", (512, 512))
    values = np.asarray(mask)
    np.testing.assert_array_equal(values[:300], 255)  # sky, and the cloud in it
    np.testing.assert_array_equal(values[-40:], 0)


def test_paint_anime_refuses_an_occupied_folder(tmp_path):
    (tmp_path / "mine.txt").write_text("not a painting")
    command = [sys.executable, SCRIPTS / "paint_anime.py", "--out", "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == (
        "error: --out (=.) is not empty; name another, or add --force to paint over it\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("flags", "desired"),
    [
        (["--out", __file__], "error: --out \\(=.*\\) is a file; name a folder\n"),
        (["--count", "0"], "error: --count \\(=0\\) must be 1 or more\n"),
        (["--seed", "-1"], "error: --seed \\(=-1\\) must be 0 or more\n"),
    ],
)
def test_paint_anime_refuses_in_one_line(flags, desired, paint_anime, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["paint_anime.py", *flags])
    with pytest.raises(SystemExit) as exit_:
        paint_anime.main()
    assert exit_.value.code == 2
    assert re.fullmatch(desired, capsys.readouterr().err)
