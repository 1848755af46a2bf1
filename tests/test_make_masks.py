"""Proposed masks: near the painter's own on the demo pictures, and loaded as they are."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleinv import dataset, images, masks

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "data" / "anime"
NAMES = ("01", "03", "07", "10")
BOXES = ["--grabcut", "--box", "sky=0,0,1,0.6"]
CLUSTERS = ["--clusters", "4", "--names", "sky,sky,sea,ground"]
FLAT = ["--clusters", "2"]


@pytest.fixture
def folder(tmp_path):
    """Four pictures of the demo dataset."""
    for name in NAMES:
        shutil.copy(DEMO / f"{name}.jpg", tmp_path)
    return tmp_path


@pytest.fixture
def propose(monkeypatch, capsys):
    """A function: words of the command line -> exit status, stdout, stderr; in this process."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import make_masks

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["make_masks", *map(str, words)])
        status = make_masks.main()
        return status, *capsys.readouterr()

    return run


def read(path):
    return images.decode_mask(images.read_bytes(path), path)


def overlaps(folder, region="sky"):
    """Intersection over union with the painter's sky, of each picture."""
    found = []
    for name in NAMES:
        actual, desired = (
            read(folder / f"masks/{name}_{region}.png"),
            read(DEMO / f"masks/{name}.png"),
        )
        actual, desired = actual >= 0.5, desired >= 0.5
        found.append((actual & desired).sum() / (actual | desired).sum())
    return np.array(found)


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("words", "least", "mean"), [(BOXES, 0.65, 0.87), (CLUSTERS, 0.85, 0.91)])
def test_the_sky_is_found(folder, propose, words, least, mean):
    assert propose(folder, *words)[0] == 0
    found = overlaps(folder)
    assert found.mean() > mean, found
    assert found.min() > least, found


def test_the_sky_is_found_between_clicks(folder, propose):
    points = ("sky=0.5,0.1", "sky=0.5,0.4", "ground=0.5,0.95")
    words = [word for point in points for word in ("--point", point)]
    assert propose(folder, "--grabcut", *words)[0] == 0
    assert overlaps(folder).mean() > 0.92
    both = read(folder / "masks/01_sky.png") + read(folder / "masks/01_ground.png")
    assert both.max() <= 1 + 1e-6  # regions do not overlap


def test_the_real_program_proposes_what_the_library_loads(folder):
    command = [sys.executable, "scripts/make_masks.py", str(folder), *CLUSTERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sky: in 4 of 4 pictures" in done.stdout
    items = dataset.find(folder)
    assert [item.name for item in items] == [f"{name}.jpg" for name in NAMES]
    checked = dataset.check(items, "sky")
    assert all(0.4 < one.covered < 0.75 for one in checked)
    for item, one in zip(items, checked, strict=True):
        shape = one.height, one.width
        parts = [masks.read(item.masks, region, shape, item.path) for region in item.masks]
        np.testing.assert_allclose(np.sum(parts, axis=0), 1, atol=0.01)
        assert ((parts[0] > 0.02) & (parts[0] < 0.98)).any()  # soft at the edges
        assert images.read(folder / f"masks/{item.path.stem}_overlay.jpg").shape == (*shape, 3)


def test_proposals_are_the_same_every_time(folder, propose):
    propose(folder, *BOXES)
    first = tree(folder)
    propose(folder, *BOXES, "--overwrite")
    assert tree(folder) == first


def test_a_box_for_one_picture_is_a_bound(folder, propose):
    status, out, _ = propose(folder, "--grabcut", "--box", "03.jpg:sky=128,0,384,256")
    assert status == 0
    assert "sky: in 1 of 4 pictures" in out
    mask = read(folder / "masks/03_sky.png")
    assert mask[:200, 150:360].mean() > 0.75
    assert mask[:, :100].max() == mask[:, 412:].max() == mask[290:].max() == 0
    assert [list(item.masks) for item in dataset.find(folder)] == [[], ["sky"], [], []]


def test_masks_and_manifests_that_are_there_stay(folder, propose):
    (folder / "masks").mkdir()
    Image.new("L", (512, 512), 99).save(folder / "masks/01_region1.png")
    rows = ["file_name,weight,mask_region1,note", "07.jpg,2,,x", "01.jpg,0.5,masks/own.png,"]
    (folder / "metadata.csv").write_text("\n".join(rows))
    before = tree(folder)
    status, out, _ = propose(folder, *FLAT)
    assert status == 0
    assert "1 masks were there and stay; --overwrite replaces them" in out
    assert f"metadata.csv stays as it is; to use the masks, put {folder}/metadata.new.csv" in out
    assert before.items() <= tree(folder).items()
    assert (folder / "metadata.new.csv").read_text().splitlines() == [
        "file_name,weight,mask_region1,note,mask_region2",
        "07.jpg,2,masks/07_region1.png,x,masks/07_region2.png",
        "01.jpg,0.5,masks/own.png,,masks/01_region2.png",
    ]
    propose(folder, *FLAT, "--overwrite")
    assert (folder / "metadata.csv").read_text() == "\n".join(rows)
    assert read(folder / "masks/01_region1.png").std() > 0.1
    assert "01.jpg,0.5,masks/01_region1.png," in (folder / "metadata.new.csv").read_text()


def test_a_manifest_that_was_proposed_before_stays(folder, propose):
    (folder / "metadata.csv").write_text("file_name\n01.jpg\n")
    (folder / "metadata.new.csv").write_text("file_name,weight\n01.jpg,7\n")
    before = tree(folder)
    status, _, error = propose(folder, *FLAT)
    assert status == 2
    assert re.search(r"metadata\.new\.csv is there; put it in the place of metadata\.csv", error)
    assert tree(folder) == before
    assert propose(folder, *FLAT, "--overwrite")[0] == 0


def test_a_manifest_with_spaces_is_read_as_the_library_does(folder, propose):
    (folder / "metadata.csv").write_text("weight, file_name\n2,01.jpg \n")
    assert propose(folder, *FLAT)[0] == 0
    assert (folder / "metadata.new.csv").read_text().splitlines() == [
        "weight,file_name,mask_region1,mask_region2",
        "2,01.jpg,masks/01_region1.png,masks/01_region2.png",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="names are letters there, not bytes")
def test_a_name_that_no_manifest_can_hold_is_refused(folder, propose):
    (folder / "03.jpg").rename(folder / os.fsdecode(b"\xe9.jpg"))
    before = tree(folder)
    status, _, error = propose(folder, *FLAT)
    assert status == 2
    assert re.search(r"\?\.jpg cannot be listed in a metadata\.csv; rename it", error)
    assert tree(folder) == before


def test_an_interrupt_ends_it_in_one_line(folder, propose, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "find", interrupt)
    status, _, error = propose(folder, *FLAT)
    assert (status, error) == (130, "stopped; what was written stays\n")


def test_the_command_it_ends_with_is_quoted(tmp_path, propose):
    folder = tmp_path / "my pictures"
    folder.mkdir()
    shutil.copy(DEMO / "01.jpg", folder)
    line = propose(folder, *FLAT)[1].splitlines()[-1]
    assert f"--config.dataset={folder}" in shlex.split(line)


def test_a_mask_of_another_size_that_is_there_is_refused(folder, propose):
    (folder / "masks").mkdir()
    Image.new("L", (9, 9), 99).save(folder / "masks/10_region1.png")
    before = tree(folder)
    status, _, error = propose(folder, *FLAT)
    assert status == 2
    assert re.search(r"10_region1\.png is not of the size of 10\.jpg; mend it, or use", error)
    assert tree(folder) == before


@pytest.mark.parametrize("words", [[], ["--overwrite"]])
@pytest.mark.parametrize("name", ["01_overlay.jpg", "01_region1.png"])
def test_a_picture_is_never_overwritten(folder, propose, name, words):
    Image.open(folder / "01.jpg").save(folder / name)
    before = tree(folder)
    status, _, error = propose(folder, *FLAT, "--out", folder, *words)
    assert status == 2
    assert f"{name} is one of the pictures; name another folder: --out=FOLDER" in error
    assert tree(folder) == before


def test_a_file_in_the_place_of_an_overlay_stays(folder, propose):
    (folder / "masks").mkdir()
    shutil.copy(folder / "01.jpg", folder / "masks" / "10_overlay.jpg")
    before = tree(folder)
    status, _, error = propose(folder, *FLAT)
    assert status == 2
    assert re.search(r"10_overlay\.jpg is there, and no overlay of masks; move it, or use", error)
    assert tree(folder) == before
    assert propose(folder, *FLAT, "--overwrite")[0] == 0
    assert propose(folder, *FLAT)[0] == 0  # it is ours now


def test_tiny_and_flat_pictures_are_no_trouble(tmp_path, propose):
    Image.new("RGB", (300, 1), "blue").save(tmp_path / "line.png")
    Image.new("RGB", (2, 2), "white").save(tmp_path / "dot.png")
    assert propose(tmp_path, "--clusters", "3")[0] == 0
    assert propose(tmp_path, *BOXES)[0] == 0


def test_masks_outside_of_the_folder_have_no_manifest(folder, propose, tmp_path_factory):
    out = tmp_path_factory.mktemp("masks")
    status, said, _ = propose(folder, *FLAT, "--out", out)
    assert status == 0
    assert f"{out} is outside of {folder}: no metadata.csv there can name it" in said
    assert not (folder / "metadata.csv").exists()
    assert len(list(out.glob("*_region1.png"))) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{}/none", *FLAT], r"none is not a folder; give a folder of pictures"),
        (["{}/empty", *FLAT], r"empty holds no images"),
        (["{}", "--clusters", "1"], r"--clusters \(=1\) must be from 2 to 32"),
        (["{}", *FLAT, "--names", "a,b,c"], r"--names has 3 names for 2 clusters"),
        (["{}", *FLAT, "--names", "a,rest"], r"a region cannot be called 'rest'"),
        (["{}", *FLAT, "--box", "a=0,0,1,1"], r"--box and --point are for --grabcut"),
        (["{}", "--grabcut"], r"--grabcut takes its regions from --box and --point; give at le"),
        (["{}", "--grabcut", "--box", "sky"], r"sky is not \[PICTURE:\]NAME=X,Y,X,Y"),
        (["{}", "--grabcut", "--point", "a=1,.,"], r"a=1,\., is not \[PICTURE:\]NAME=X,Y$"),
        (["{}", "--grabcut", "--box", "a=0,0.5,1,0.5"], r"the box a=\S+ is empty; give left,top"),
        (
            ["{}", "--grabcut", "--box", "a=0,0,600,9"],
            r"a=0,0,600,9 is outside of 01\.jpg, which is 512x512 pixels",
        ),
        (["{}", "--grabcut", "--point", "x.jpg:a=0,0"], r"there is no picture x\.jpg in"),
    ],
)
def test_bad_input_is_answered_in_one_line(folder, propose, words, message):
    (folder / "empty").mkdir()
    before = tree(folder)
    status, out, error = propose(*[word.format(folder) for word in words])
    assert (status, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(message, error.strip()), error
    assert tree(folder) == before


def test_a_missing_opencv_is_named(folder, propose, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    status, _, error = propose(folder, *FLAT)
    assert status == 2
    assert error == "error: make_masks needs OpenCV: pip install opencv-python-headless\n"


def test_pictures_whose_masks_would_have_one_name_are_refused(folder, propose):
    (folder / "a").mkdir()
    shutil.copy(folder / "01.jpg", folder / "a" / "b.jpg")
    shutil.copy(folder / "03.jpg", folder / "a_b.jpg")
    (folder / "metadata.csv").write_text("file_name\na/b.jpg\na_b.jpg\n")
    status, _, error = propose(folder, *FLAT)
    assert (status, error.count("\n")) == (2, 1)
    assert "masks of a/b.jpg and a_b.jpg would have the same name; rename one" in error
    assert not (folder / "masks").exists()
