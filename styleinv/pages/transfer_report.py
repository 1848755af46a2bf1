"""A transfer run's folder -> curve.png and report.html: photos beside what became of them.

A single picture gets a page of its own, with its distances by layer; several, of several photos or
alphas, get a grid of pairs and a table, and only the first of them is followed through its steps.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import inf, sqrt
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, NamedTuple

from styleinv.journal import read_json, read_metrics
from styleinv.pages import page
from styleinv.pages.page import Picture, Reference

LARGE, QUALITY = 1280, 93  # resolution of a single pair, and how little it is compressed
PAIRS, PIXELS = 100, 2 * 1024**2  # shown in a grid; and in all of their photos together,
LEAST, MOST = 192, 640  # but each has at least and at most this resolution
STYLES, FEW = 24, 3  # pictures of a region's style that are shown; fewer are shown larger

Results = Mapping[str, Any]  # a picture's line in results.json


class Distance(NamedTuple):
    """How far a photo and its stylized picture are from the style of a region."""

    name: str
    region: str
    photo: float
    stylized: float

    @property
    def gain(self) -> str:
        """In words, such as "3.2 times closer in sky"."""
        return page.compare(self.stylized, self.photo)[0] + place(self.region)


class Pair(NamedTuple):
    """A photo, and what became of it: the result or, before there is one, the last snapshot."""

    name: str
    photo: Picture
    stylized: Picture | None
    results: Results | None


class Pictures(NamedTuple):
    """Of a style: the heaviest, and how many there are besides."""

    shown: Sequence[Picture]
    hidden: int


def write_report(
    folder: Path,
    contents: Sequence[Reference],
    styles: Mapping[str, Sequence[Reference]],
    alphas: Mapping[str, float] = MappingProxyType({}),
) -> Path:
    """Writes curve.png and report.html into a run's folder and returns the path of the report.

    Without results.json (an interrupted run) the report tells how far the run came and shows what
    there is; without a single step there is no curve. Pictures that are gone are named in their
    place.

    Args:
        folder: with run.json and config.json, and what else the run left there.
        contents: the photos, at least one, each under the name that its files in the folder have;
            once for each alpha.
        styles: {region: pictures of its style}, without pictures where it came from a style file.
        alphas: {name of a content: its alpha}, of a run that has several.

    Raises:
        InputError: if a JSON file is missing or broken, or the folder cannot be written.
    """
    results = _results(folder, contents)
    first, single = contents[0].name, len(contents) == 1
    rows = read_metrics(folder / "metrics.jsonl")
    pictures = {name: list(own) for name, own in groupby(rows, key=lambda row: row["content"])}
    own = pictures.pop(first, [])

    distances = {name: _distances(row) for name, row in results.items()}
    each = [one for row in distances.values() for one in row]
    layers = _layers(results[first]) if single and results else {}
    photo_of = {it.name: it.path.name for it in contents}
    photo_of |= {name: row["photo"] for name, row in results.items()}
    titles = {name: photo + _at_alpha(alphas.get(name)) for name, photo in photo_of.items()}
    return page.write(
        folder,
        "transfer_report.html.jinja",
        finished=(folder / "results.json").exists(),
        single=single,
        place=place,
        few=FEW,
        contents=contents,
        styles={region: _style(references) for region, references in styles.items()},
        regional=any(one.region != "all" for one in each),
        results=results,
        photos=list({it.path: photo_of[it.name] for it in contents}.values()),
        alphas=alphas,
        titles=titles,
        pairs=_pairs(folder, contents, results),
        distances=distances,
        ranked=sorted(each, key=lambda it: it.photo / it.stylized if it.stylized else inf),
        changes={name: fmean(row["content_distance"].values()) for name, row in results.items()},
        layers=layers,
        positions=page.positions(
            layers or {(o.name, o.region): {"photo": o.photo, "stylized": o.stylized} for o in each}
        ),
        snapshots=page.snapshots(page.snapshot_paths(folder, first), own),
        stages=page.stages(own),
        curves=page.write_curves(folder / "curve.png", own, list(pictures.values())),
        others=len(pictures),
    )


def place(region: str) -> str:
    """Where in a picture a region is, as the end of a sentence."""
    return {"all": "", "rest": " in the rest"}.get(region, f" in {region}")


def _at_alpha(alpha: float | None) -> str:
    """What tells pictures of one photo apart."""
    return "" if alpha is None else f" at alpha {alpha!r}".removesuffix(".0")


def _results(folder: Path, contents: Sequence[Reference]) -> dict[str, Results]:
    """{name: line in the results} of the pictures that are done, in their order."""
    if (folder / "results.json").exists():
        rows = read_json(folder / "results.json")["pictures"]
    else:
        paths = [folder / f"results/{content.name}.json" for content in contents]
        rows = [read_json(path) for path in paths if path.exists()]
    return {row["name"]: row for row in rows}


def _distances(row: Results) -> list[Distance]:
    return [
        Distance(row["name"], region, **found["total"]) for region, found in row["regions"].items()
    ]


def _layers(row: Results) -> dict[tuple[str, str], dict[str, float]]:
    """{(region, layer): distances}, with that of all layers under ""."""
    return {
        (region, layer): distances
        for region, found in row["regions"].items()
        for layer, distances in (*found["layers"].items(), ("", found["total"]))
    }


def _pairs(
    folder: Path, contents: Sequence[Reference], results: Mapping[str, Results]
) -> list[Pair]:
    """The first photos; of several, those of which there is more to be seen than the photo."""
    paths = {content.name: _stylized(folder, content, results) for content in contents}
    shown = [it for it in contents if paths[it.name] or len(contents) == 1][:PAIRS]
    resolution, quality = min(MOST, max(LEAST, int(sqrt(PIXELS / max(1, len(shown)))))), 88
    if len(contents) == 1:
        resolution, quality = LARGE, QUALITY
    pairs = []
    for name, photo, _ in shown:
        row, path = results.get(name), paths[name]
        caption = row["photo"] if row else photo.name
        before = page.picture(photo, resolution, caption, quality=quality)
        after = page.picture(path, resolution, path.name, quality=quality) if path else None
        pairs.append(Pair(name, before, after, row))
    return pairs


def _stylized(folder: Path, content: Reference, results: Mapping[str, Results]) -> Path | None:
    if content.name in results:
        return folder / results[content.name]["output"]
    return next(reversed(page.snapshot_paths(folder, content.name).values()), None)


def _style(references: Sequence[Reference]) -> Pictures:
    shown = page.heaviest(references, STYLES)
    resolution = 320 if len(shown) <= FEW else 160
    pictures = [page.picture(it.path, resolution, it.name) for it in shown]
    return Pictures(pictures, len(references) - len(shown))
