"""Style files -> one style file: added, interpolated, or taken out of each other.

    python -m experiments.merge a.safetensors b.safetensors --out=both.safetensors
    python -m experiments.merge a.safetensors b.safetensors --weights=2,10 --out=both.safetensors
    python -m experiments.merge both.safetensors b.safetensors --weights=12,-10 --out=a.safetensors

The weights say how much each style counts: the numbers of their images give the style of all of
these together. A negative weight takes out what was merged before.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from experiments import cli, exits
from styleinv.errors import InputError, reading, suggest

if TYPE_CHECKING:
    from styleinv.style import Style
    from styleinv.style_file import Origin

FLAGS = ("weights", "out")
_ALIKE = ("network", "weights", "pooling", "padding", "region", "propagation")


class Request(NamedTuple):
    """A parsed command line."""

    files: tuple[Path, ...]
    weights: tuple[float, ...]
    out: Path


class Read(NamedTuple):
    """What is in a style file."""

    path: Path
    styles: "Mapping[int, Style]"
    origin: "Origin"


def parse(words: Sequence[str]) -> Request:
    """The request in the words of a command line.

    Raises:
        InputError: for whatever is wrong with them.
    """
    given, files = {}, []
    for word in map(cli.at_home, words):
        flag, _, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            files.append(Path(word))
        elif flag not in FLAGS:
            raise InputError(f"--{flag} is no flag; {suggest(flag, FLAGS)}")
        elif not value:
            raise InputError(f"--{flag} has no value; write --{flag}=VALUE")
        else:
            given[flag] = value
    if not files:
        raise InputError("there is nothing to merge; name style files")
    if "out" not in given:
        raise InputError("--out=FILE is missing; name the file that is to be written")
    texts = given["weights"].split(",") if "weights" in given else ["1"] * len(files)
    if len(texts) != len(files):
        raise InputError(
            f"--weights has {len(texts)} numbers for {len(files)} files; give one for each"
        )
    weights = tuple(map(_weight, texts))
    left, most = sum(weights), sum(map(abs, weights))
    if most == math.inf:
        raise InputError("--weights are too large to be added; give smaller numbers")
    if left <= 1e-6 * most:
        raise InputError(
            f"--weights sum to {left:g}; give numbers that sum to more than 0, rounding apart"
        )
    out = given["out"]
    if not out.endswith(".safetensors"):  # by which the experiments tell it from a picture
        raise InputError(f"--out (={out}) is no name of a style file; add .safetensors")
    return Request(tuple(files), weights, Path(out))


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise InputError(f"--weights has {text!r}, which is not a number; write 2,1")
    return weight


def execute(request: Request) -> None:
    """Writes the file; one that exists is never written over."""
    from styleinv import mixing, style_file

    with reading(request.out):
        if request.out.exists():
            raise InputError(f"{request.out} exists already; name another file")
    every = [Read(path, *style_file.load(path)) for path in request.files]
    for other in every[1:]:
        refuse_unlike(every[0], other)
    names = [str(path) for path in request.files]
    origin = origin_of(every, request.weights)
    styles = {
        resolution: mixing.combine(
            [each.styles[resolution] for each in every], request.weights, names
        )
        for resolution in every[0].styles
    }
    style_file.save(request.out, styles, origin)
    print(f"style: {request.out}")


def refuse_unlike(one: Read, other: Read) -> None:
    """Raises an InputError unless both were measured alike; names both."""
    rows: list[tuple] = [
        (field, getattr(one.origin, field), getattr(other.origin, field)) for field in _ALIKE
    ]
    if "all" in (one.origin.region, other.origin.region):  # without masks, it says nothing
        rows = [row for row in rows if row[0] != "propagation"]
    resolutions = [", ".join(map(str, each.styles)) for each in (one, other)]
    layers = [", ".join(next(iter(each.styles.values())).layers) for each in (one, other)]
    rows += [("resolutions", *resolutions), ("layers", *layers)]
    for what, has, asked in rows:
        if has != asked:
            raise InputError(
                f"{one.path} was measured with {what} {has}, and {other.path} with {asked}; "
                "measure both alike"
            )


def origin_of(every: Sequence[Read], weights: Sequence[float]) -> "Origin":
    """That of the first, with the images of all; what has no weight left is not among them.

    Raises:
        InputError: for an image of which more is taken out than is there, if all are named.
    """
    from dataclasses import replace

    from styleinv.style_file import listed

    total = sum(weights)
    images: dict[tuple, float] = {}
    for each, weight in zip(every, weights, strict=True):
        for image in each.origin.images:
            own = tuple(sorted((k, v) for k, v in image.items() if k != "weight"))
            share = float(image.get("weight", 1.0)) * weight / total
            images[own] = images.get(own, 0.0) + share
    named = all("name" in image for each in every for image in each.origin.images)
    if named and (gone := [own for own, share in images.items() if share < -1e-9]):
        files = " and ".join(str(e.path) for e, w in zip(every, weights, strict=True) if w > 0)
        raise InputError(
            f"--weights take out more of {dict(gone[0])['name']} than is in {files}; "
            "choose other weights"
        )
    kept = ({**dict(own), "weight": share} for own, share in images.items() if abs(share) > 1e-9)
    return replace(every[0].origin, images=listed(kept))


def main() -> int | None:
    """The command line."""
    if any(word in ("--help", "-h", "-help") for word in sys.argv[1:]):
        print(__doc__)
        return None
    return execute(parse(sys.argv[1:]))


if __name__ == "__main__":
    exits.answer(main)
