"""Folders of pictures: any metadata.csv, or none, among links, pipes, devices and folders."""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st
from PIL import Image

from fuzzing.edits import edited
from fuzzing.folders import Content, Link, Pipe, Sparse
from fuzzing.shapes import HEIGHT, SECRET, WIDTH, saved, waves
from fuzzing.target import REQUEST, Target
from fuzzing.worker import request

_ODD = {
    "out.png": Link("../../outside/secret.png"),
    "far.png": Link("/etc/hostname"),
    "zero.png": Link("/dev/zero"),
    "pipe.png": Pipe(),
    "round.png": Link("round.png"),
    "near.png": Link("a.png"),
    "none.png": Link("nothing.png"),
    "up": Link("../../outside"),
    "folder.png/x": b"",
    "sparse.png": Sparse(1 << 40),
}
_COLUMNS = ["file_name", "weight", "mask", "mask_sky", "original", "text", "", "mask_", "weight "]
_PATHS = ["a.png", "b.png", "sub/c.png", "./a.png", "sub/../b.png", "", ".", "..", "sub", "a.png/"]
_PATHS += [*_ODD, "up/secret.png", "../../outside/secret.png", "/dev/zero", "/dev/stdin", "~", "\0"]
_PATHS += ["map.png#ff0000", "zero.png#ff0000", "a" * 5000, "a/" * 3000, "folder.png", "//a.png"]
_PATHS += ["file:///etc/passwd", "C:\\a.png", "a.png\n", "metadata.csv", "mask.png", "a,b.png"]
_WEIGHTS = [
    "1",
    "0",
    "0.5",
    "-1",
    "nan",
    "inf",
    "1e308",
    "1e-320",
    "1_0",
    " 1 ",
    "0x10",
    "9" * 5000,
]
_ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32", "cp1252"]


def target() -> Target:
    """The regions asked for are part of the input."""
    pictures = _pictures()
    odd = st.sets(st.sampled_from(sorted(_ODD)), max_size=3)
    regions = st.sampled_from(["all", "all", "mask", "sky", "rest", ""])
    return Target(st.builds(_folder, st.just(pictures), odd, _manifests(), regions), use)


def use(folder: Path) -> None:
    """What is done with a dataset before its features are measured."""
    from styleinv import dataset

    pictures = folder / "pictures"
    items = dataset.find(pictures)
    for item in items:
        files = [item.path, item.original, *(mask.path for mask in item.masks.values())]
        for path in filter(None, files):
            real = Path(os.path.realpath(path))
            assert real.is_relative_to(os.path.realpath(pictures)), f"{path} is outside"
    shares = dataset.shares(items)
    assert abs(sum(item.weight for item in shares) - 1) < 1e-6
    dataset.subset(shares, 1, 0)
    dataset.check(shares, request(folder)["region"])
    for _, views in dataset.stream(shares[:3], [16]):
        assert not (abs(views[16].image * 255 - SECRET) < 0.5).all(), "a picture from outside"


def _pictures() -> dict[str, Content]:
    rgb = Image.fromarray(waves(3))
    mask = saved(Image.fromarray(waves(1)[..., 0]), "PNG")
    halves = Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0))
    halves.paste((0, 0, 255), (0, 0, WIDTH // 2, HEIGHT))
    files: dict[str, Content] = {"a.png": saved(rgb, "PNG"), "b.png": saved(rgb, "JPEG")}
    files |= {"sub/c.png": saved(rgb.rotate(90), "PNG"), "mask.png": mask}
    return files | {"map.png": saved(halves, "PNG")}


def _manifests() -> st.SearchStrategy[bytes | None]:
    """Text that is a table, text that is nearly one, and none at all."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    cell = st.one_of(st.sampled_from(_PATHS), st.sampled_from(_WEIGHTS), text)
    path = st.one_of(st.sampled_from(_PATHS), text)
    columns = st.lists(st.sampled_from(_COLUMNS), max_size=4).map(lambda some: ["file_name", *some])
    columns = st.one_of(columns, columns, st.lists(st.one_of(st.sampled_from(_COLUMNS), text)))
    path = st.one_of(st.sampled_from(_PATHS[:4]), path)
    good = st.sampled_from(["1", "0.5", "", "mask.png", "map.png#ff0000", "b.png"])
    row = st.tuples(path, st.lists(st.one_of(good, good, cell), max_size=5))
    rows = st.lists(row, max_size=5)
    tables = st.builds(_table, columns, rows, st.sampled_from(_ENCODINGS))
    plain = [b"file_name,weight,mask\na.png,1,mask.png\nb.png,2,map.png#ff0000\n"]
    plain += [b'file_name,mask_sky,original\r\n"a.png",mask.png,b.png\r\n', b"file_name\na.png"]
    return st.one_of(tables, tables, edited(plain, 2), st.none())


def _table(columns: Sequence[str], rows: Sequence[tuple[str, list[str]]], encoding: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for path, cells in rows:
        row = [path, *cells]
        fitted = row if len(cells) == 5 else (row + [""] * 9)[: len(columns)]
        try:
            writer.writerow(fitted)
        except csv.Error:  # Python's own writer takes no NUL
            text.write(",".join(fitted) + "\n")
    return text.getvalue().encode(encoding, "replace")


def _folder(
    pictures: dict[str, Content], odd: set[str], manifest: bytes | None, region: str
) -> dict[str, Content]:
    files = pictures | {name: _ODD[name] for name in odd}
    if manifest is not None:
        files |= {"metadata.csv": manifest}
    laid: dict[str, Content] = {f"pictures/{name}": content for name, content in files.items()}
    return laid | {REQUEST: json.dumps({"region": region}).encode()}
