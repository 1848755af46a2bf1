"""Propose masks for a folder of pictures: by clusters of looks, or from boxes and clicks.

python scripts/make_masks.py my/pictures --clusters 3
python scripts/make_masks.py my/pictures --clusters 4 --names sky,sky,sea,ground
python scripts/make_masks.py my/pictures --grabcut --box sky=0,0,1,0.6
python scripts/make_masks.py my/pictures --grabcut --point sky=0.5,0.1 --box 01.jpg:man=0,80,90,300

Masks are gray PNGs of the picture's size; look at the overlays, and mend what is wrong by hand.
"""

import argparse
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from contact_sheet import encode
from PIL import Image

from styleinv import dataset, files, images
from styleinv.errors import InputError
from styleinv.masks import ALL, REST

_LEAST = 0.005  # share of a picture under which a region is taken for absent
_OURS = b"overlay of masks"  # the comment by which an overlay is known from a picture of the user's


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path, help="a folder, with or without a metadata.csv")
    parser.add_argument("--out", type=Path, help="where to; default: PICTURES/masks")
    parser.add_argument("--overwrite", action="store_true", help="replace masks that are there")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--clusters", type=int, metavar="N", help="regions of like looks, 2 or more")
    how.add_argument("--grabcut", action="store_true", help="regions from boxes and clicks")
    parser.add_argument(
        "--names", help="of the clusters, from top to bottom; clusters of one name are one region"
    )
    parser.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="[PICTURE:]NAME=LEFT,TOP,RIGHT,BOTTOM",
        help="holds most of a region; in pixels, or in shares of the sides. A box for all "
        "pictures is a hint; out of one for a single picture nothing is taken",
    )
    parser.add_argument(
        "--point",
        action="append",
        default=[],
        metavar="[PICTURE:]NAME=X,Y",
        help="is in a region; several do better, one in each kind of thing it holds",
    )
    arguments = parser.parse_args()
    try:
        import cv2  # noqa: F401
    except ImportError:
        print("error: make_masks needs OpenCV: pip install opencv-python-headless", file=sys.stderr)
        return 2
    try:
        run(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what was written stays", file=sys.stderr)
        return 130
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Proposes, writes, and says what there is and what to do next."""
    from masks import clusters, grabcut, manifest, palette

    folder = arguments.pictures
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give a folder of pictures")
    names, seeds = _regions(arguments)
    items = dataset.find(folder)
    if unknown := {seed.picture for seed in seeds} - {"", *(item.name for item in items)}:
        raise InputError(f"there is no picture {min(unknown)} in {folder}")
    smalls, placed, shapes = [], [], []
    for item in items:
        picture = images.to_bytes(images.read(item.path))
        smalls.append(palette.shrink(picture))
        shapes.append(picture.shape[:2])
        mine = [seed for seed in seeds if seed.picture in ("", item.name)]
        placed.append([grabcut.place(seed, item.name, *picture.shape[:2]) for seed in mine])
    found = clusters.propose(smalls, names) if names else grabcut.propose(smalls, placed)
    out = arguments.out or folder / "masks"
    pictures = {os.path.realpath(item.path) for item in items}
    for item, stem, regions, shape in zip(items, _stems(items), found, shapes, strict=True):
        paths = [out / f"{stem}_{region}.png" for region in regions]
        _refuse_pictures([*paths, _overlay(out, stem)], pictures)
        if not arguments.overwrite:
            _check_kept(paths, shape, item.name)
            _check_overlay(_overlay(out, stem))
    rows = []
    if out.resolve().is_relative_to(folder.resolve()):
        rows = manifest.rows_of(folder, [item.name for item in items], arguments.overwrite)
    written = [
        _write(item, stem, small, regions, out, arguments.overwrite)
        for item, stem, small, regions in zip(items, _stems(items), smalls, found, strict=True)
    ]
    _tell(found, written, len(items))
    print(f"look at {out}/*_overlay.jpg")
    named = {item.name: one for item, one in zip(items, written, strict=True)}
    _list(folder, rows, named, arguments)


def _overlay(out: Path, stem: str) -> Path:
    return out / f"{stem}_overlay.jpg"


def _refuse_pictures(paths: Sequence[Path], pictures: Container[str]) -> None:
    """Raises an InputError for a file to be written that is one of the pictures."""
    for path in paths:
        if os.path.realpath(path) in pictures:
            raise InputError(f"{path} is one of the pictures; name another folder: --out=FOLDER")


def _check_overlay(path: Path) -> None:
    """Raises an InputError for a file in the place of an overlay that is none of ours."""
    if path.exists() and images.load(images.read_bytes(path), path).info.get("comment") != _OURS:
        raise InputError(f"{path} is there, and no overlay of masks; move it, or use --overwrite")


def _check_kept(paths: Sequence[Path], shape: tuple[int, int], name: str) -> None:
    """Raises an InputError for a mask that is there and is no mask of the picture."""
    for path in paths:
        if path.exists() and images.load(images.read_bytes(path), path).size != shape[::-1]:
            raise InputError(f"{path} is not of the size of {name}; mend it, or use --overwrite")


def _write(
    item: dataset.Item,
    stem: str,
    small: np.ndarray,
    regions: Mapping[str, np.ndarray],
    out: Path,
    overwrite: bool,
) -> dict[str, tuple[Path, float, bool]]:
    """Writes the masks that there are not yet, and the overlay of all.

    Returns:
        {region: (file, the share of the picture that it covers, whether it is new)}.
    """
    from masks import edges, overlay

    picture = images.to_bytes(images.read(item.path))
    shown, written = {}, {}
    for region, mask in edges.soften(regions, small, picture).items():
        path = out / f"{stem}_{region}.png"
        new = overwrite or not path.exists()
        if not new:
            mask = images.to_bytes(images.decode_mask(images.read_bytes(path), path))
        elif mask.mean() < 255 * _LEAST:
            continue
        else:
            files.write(path, encode(Image.fromarray(mask), ".png"))
        shown[region], written[region] = mask, (path, mask.mean() / 255, new)
    drawn = overlay.overlay(picture, shown)
    drawn.info["comment"] = _OURS
    files.write(_overlay(out, stem), encode(drawn, ".jpg"))
    return written


def _tell(found: Sequence[Mapping], written: Sequence[Mapping], count: int) -> None:
    for region in dict.fromkeys(region for regions in found for region in regions):
        areas = [masks[region][1] for masks in written if region in masks]
        share = f", {100 * np.mean(areas):.0f} % of each on average" if areas else ""
        print(f"{region}: in {len(areas)} of {count} pictures{share}")
    if kept := sum(not new for masks in written for _, _, new in masks.values()):
        print(f"{kept} masks were there and stay; --overwrite replaces them")


def _list(
    folder: Path,
    rows: Sequence[Mapping[str, str]],
    written: Mapping[str, Mapping],
    arguments: argparse.Namespace,
) -> None:
    """Puts the masks into a manifest, if that can name them, and says how to use it.

    Args:
        rows: what is listed so far.
    """
    from masks import manifest

    root = folder.resolve()
    paths = {
        name: {region: path.resolve() for region, (path, _, _) in masks.items()}
        for name, masks in written.items()
    }
    regions = list(dict.fromkeys(region for some in paths.values() for region in some))
    if not regions:
        raise InputError("no region was found; give other boxes, points or clusters")
    if not all(path.is_relative_to(root) for some in paths.values() for path in some.values()):
        print(f"{arguments.out} is outside of {folder}: no {dataset.MANIFEST} there can name it")
        return
    relative = {
        name: {region: path.relative_to(root).as_posix() for region, path in some.items()}
        for name, some in paths.items()
    }
    path = manifest.write(folder, rows, relative, arguments.overwrite)
    if path.name != dataset.MANIFEST:
        print(f"{folder / dataset.MANIFEST} stays as it is; to use the masks, put {path} there")
    example = [f"--config.dataset={folder}", f"--config.dataset.region={regions[0]}"]
    print(f"then: python -m experiments.learn_style --config=anime {shlex.join(example)}")


def _regions(arguments: argparse.Namespace) -> tuple[list[str], list]:
    """The names of the clusters; or the seeds."""
    from masks import grabcut

    seeds = [grabcut.parse(text, 4) for text in arguments.box]
    seeds += [grabcut.parse(text, 2) for text in arguments.point]
    names = arguments.names.split(",") if arguments.names else []
    if arguments.grabcut and (names or not seeds):
        raise InputError("--grabcut takes its regions from --box and --point; give at least one")
    if seeds and not arguments.grabcut:
        raise InputError("--box and --point are for --grabcut, not for --clusters")
    if not arguments.grabcut:
        count = arguments.clusters
        if not 2 <= count <= 32:
            raise InputError(f"--clusters (={count}) must be from 2 to 32")
        names = names or [f"region{i}" for i in range(1, count + 1)]
        if len(names) != count or len(set(names)) < 2:
            raise InputError(
                f"--names has {len(names)} names for {count} clusters; give one for each, and two "
                "or more that differ"
            )
    for name in (*names, *(seed.region for seed in seeds)):
        if not re.fullmatch(r"\w+", name) or name in (ALL, REST):
            raise InputError(f"a region cannot be called {name!r}; choose a word")
    return names, seeds


def _stems(items: Sequence[dataset.Item]) -> list[str]:
    """What the files of each picture begin with: its name, with the ending where two need it.

    Raises:
        InputError: for two pictures whose files would be one.
    """
    bare = [str(Path(item.name).with_suffix("")) for item in items]
    twice = {stem for stem, count in Counter(bare).items() if count > 1}
    chosen = [item.name if one in twice else one for item, one in zip(items, bare, strict=True)]
    stems = [re.sub(r"[/\\]", "_", one) for one in chosen]
    stem, count = Counter(stems).most_common(1)[0]
    if count > 1:
        alike = [item.name for item, own in zip(items, stems, strict=True) if own == stem]
        raise InputError(f"masks of {' and '.join(alike)} would have the same name; rename one")
    return stems


if __name__ == "__main__":
    sys.exit(main())
