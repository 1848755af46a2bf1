"""Masks that cover nearly all of their picture are named in the log: they may be inverted."""

import numpy as np
import pytest
from PIL import Image

from experiments import measure

SMALL = (
    "--config.network.weights=random",
    "--config.network.convolution=direct",
    "--config.style.layers=relu1_1",
    "--config.content.layers=relu1_1",
    "--config.optimizer.parameters=pixels",
    "--config.resolution=32",
    "--config.steps=1",
)


@pytest.fixture
def masked(pictures):
    """Masks of a.png .. d.png that cover 100, 96, 94 and 25 % of them."""
    for name, columns in zip("abcd", (64, 61.44, 60.16, 16), strict=True):
        mask = np.uint8(255 * np.clip(columns - np.arange(64), 0, 1)[None].repeat(48, 0))
        Image.fromarray(mask).save(pictures / f"mask_{name}.png")
    lines = ["file_name,mask_sky", *(f"{name}.png,mask_{name}.png" for name in "abcd")]
    (pictures / "metadata.csv").write_text("\n".join(lines))
    return pictures


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if "inverted" in record.getMessage()]


def test_learn_style_names_masks_that_cover_their_picture(masked, learn, tmp_path, caplog):
    words = [f"--config.dataset.path={masked}", f"--workdir={tmp_path}/run"]
    assert learn(["--config=anime", *SMALL, *words, "--config.dataset.region=sky"]) == 0
    (line,) = warnings_of(caplog)
    desired = (
        "2 of 4 masks cover more than 95 % of their picture, and may be inverted: "
        "mask_a.png (100 %), mask_b.png (96 %)"
    )
    assert line == desired


def test_measure_says_the_same(masked, command, tmp_path, caplog):
    words = [f"--config.dataset.path={masked}", f"--workdir={tmp_path}/run"]
    words += ["--config.dataset.region=sky,rest"]
    (masked / "mask_a.png").write_bytes((masked / "mask_b.png").read_bytes())  # leaves a rest
    assert command(measure, ["--config=anime", *SMALL, *words]) == 0
    (line,) = warnings_of(caplog)
    assert line == (
        "2 of 4 masks cover more than 95 % of their picture, and may be inverted: "
        "mask_a.png (96 %), mask_b.png (96 %)"
    )


@pytest.mark.parametrize("region", ["all", "rest"])
def test_learn_style_is_silent_where_no_mask_says_what_counts(
    masked, learn, tmp_path, caplog, region
):
    (masked / "metadata.csv").write_text("file_name,mask_sky\nb.png,mask_b.png\nd.png,mask_d.png")
    words = [f"--config.dataset.path={masked}", f"--workdir={tmp_path}/run"]
    assert learn(["--config=anime", *SMALL, *words, f"--config.dataset.region={region}"]) == 0
    assert warnings_of(caplog) == []


def test_transfer_names_masks_of_the_photo_that_cover_it(masked, restyle, tmp_path, caplog):
    words = [
        f"--config.content={masked}/c.png",
        f"--config.content.masks=sky={masked}/mask_a.png",
        f"--config.style=sky={tmp_path}/one.png",
        f"--workdir={tmp_path}/run",
    ]
    (masked / "d.png").rename(tmp_path / "one.png")
    assert restyle(["--config=transfer", *SMALL, *words]) == 0
    (line,) = warnings_of(caplog)
    assert line == (
        "1 of 1 masks cover more than 95 % of their picture, and may be inverted: "
        "mask_a.png (100 %)"
    )


def test_transfer_says_nothing_of_the_colors_of_a_map(masked, restyle, tmp_path, caplog):
    colors = np.full((48, 64, 3), 255, np.uint8)
    colors[:2, :46] = 0
    Image.fromarray(colors).save(tmp_path / "map.png")
    words = [
        f"--config.content={masked}/c.png",
        f"--config.content.masks=sky={tmp_path}/map.png#ffffff",
        f"--config.style=sky={masked}/b.png",
        f"--workdir={tmp_path}/run",
    ]
    assert restyle(["--config=transfer", *SMALL, *words]) == 0
    assert warnings_of(caplog) == []
