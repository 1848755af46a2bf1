"""Pictures in tar files, parquet tables and nested folders: the style of the same pictures."""

import io
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from permissions import locked

from experiments import measure
from styleinv import style_file
from styleinv.errors import InputError
from styleinv.measuring import tables

datasets = pytest.importorskip("datasets")
parquet = pytest.importorskip("pyarrow.parquet")
WORDS = [
    "--config=anime",
    "--config.network.weights=random",
    "--config.style.layers=relu1_1",
    "--config.resolution=16",
    "--config.steps=1",
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def wrapped(pictures, tmp_path):
    """A function: layout -> the four pictures in it."""

    def wrap(layout):
        home = tmp_path / layout
        home.mkdir()
        files = sorted(pictures.glob("*.png"))
        if layout == "webdataset":
            with tarfile.open(home / "shard-000.tar", "w") as tar:
                for file in files:
                    tar.add(file, file.name)
        elif layout == "parquet":
            rows = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
            table = datasets.Dataset.from_dict(
                {"image": rows}, features=datasets.Features({"image": datasets.Image()})
            )
            table.to_parquet(home / "pictures.parquet")
        else:
            shutil.copytree(pictures, home / "train")
        return home

    return wrap


@pytest.mark.parametrize("layout", ["webdataset", "parquet", "imagefolder"])
@pytest.mark.filterwarnings("ignore")
def test_measure_reads_every_layout(wrapped, pictures, tmp_path, command, layout):
    found = {}
    for name, path in ((layout, wrapped(layout)), ("files", pictures)):
        words = [*WORDS, f"--config.dataset={path}", f"--workdir={tmp_path / 'runs' / name}"]
        assert command(measure, words) == 0
        found[name] = style_file.load(tmp_path / "runs" / name / "style.safetensors")
    (actual, origin), (desired, other) = found[layout], found["files"]
    assert [image["sha256"] for image in origin.images] == [i["sha256"] for i in other.images]
    for layer, moments in desired[16].moments.items():
        np.testing.assert_array_equal(actual[16].moments[layer].second, moments.second)


@pytest.mark.filterwarnings("ignore")
def test_nested_folders_are_walked_by_the_library_alone(wrapped, monkeypatch):
    path = wrapped("imagefolder")
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("walked for nothing"))
    assert len(tables.find(path, "imagefolder").items) == 4


@pytest.fixture
def named(tmp_path):
    """A function: name -> a parquet file whose only picture is the file of that name."""

    def name(text):
        features = datasets.Features({"image": datasets.Image()})
        rows = datasets.Dataset.from_dict({"image": [{"bytes": None, "path": text}]}, features)
        (tmp_path / "table").mkdir()
        parquet.write_table(rows.data.table, tmp_path / "table" / "rows.parquet")
        return tmp_path / "table" / "rows.parquet"

    return name


@pytest.mark.parametrize("where", ["a folder", "a file"])
@pytest.mark.parametrize("text", ["{}/a.png", "../pictures/a.png", "a.png", "a\0.png"])
@pytest.mark.filterwarnings("ignore")
def test_a_table_names_no_file_outside_of_its_folder(named, pictures, where, text):
    path = named(text.format(pictures))
    (path.parent / "a.png").symlink_to(pictures / "a.png")
    items, read = tables.find(path.parent if where == "a folder" else path, "parquet")
    with pytest.raises(InputError, match=r"train/0: .*(outside of the folder|not a file name)"):
        read(items[0])


@pytest.mark.filterwarnings("ignore")
def test_a_table_names_files_in_its_folder(named, pictures):
    path = named("a.png")
    shutil.copy(pictures / "a.png", path.parent)
    items, read = tables.find(path, "parquet")
    assert read(items[0]) == (pictures / "a.png").read_bytes()


def test_layout_of_leaves_folders_of_pictures_alone(pictures, tmp_path):
    assert tables.layout_of(pictures) == ""
    assert tables.layout_of(tmp_path / "nothing") == ""
    assert tables.layout_of(pictures / "a.png") == ""
    assert tables.layout_of(Path(",".join([str(pictures / "a.png")] * 250))) == ""


def test_layout_of_refuses_a_folder_that_cannot_be_read(pictures):
    with locked(pictures), pytest.raises(InputError, match=r"pictures cannot be read: Permission"):
        tables.layout_of(pictures)


def test_without_the_library_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"a\.tar needs the package datasets; pip inst"):
        tables.find(tmp_path / "a.tar", "webdataset")


@pytest.mark.filterwarnings("ignore")
def test_a_broken_tar_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(io.BytesIO(b"no tar" * 100).getvalue())
    with pytest.raises(InputError, match=r"a\.tar cannot be read as webdataset: "):
        tables.find(tmp_path / "a.tar", "webdataset")
