"""A verify run's folder -> report.html and the plot of the known style, with the answers in words.

The page is made of files only; an answer that is not there yet is not shown.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from styleinv import files
from styleinv.journal import read_json
from styleinv.pages import known_style_plot, page
from styleinv.pages.page import Picture

QUESTIONS = {
    "known_style": "Known style",
    "which_filter": "Which filter?",
    "round_trip": "Round trip",
    "mosaic": "A style or a mosaic?",
    "outliers": "Who does not belong?",
}
PLOT = "known_style.png"
SMALL = 192  # resolution of embedded pictures
SHOWN = 8  # pictures of a row

Answer = Mapping[str, Any]


class Row(NamedTuple):
    """Pictures that belong together, under a name."""

    name: str
    pictures: Sequence[Picture]


def write_report(folder: Path) -> Path:
    """Writes report.html and, with a known style, its plot; returns the path of the report.

    Args:
        folder: with run.json and config.json, and what else the run left there.

    Raises:
        InputError: if a JSON file is missing or broken, or the folder cannot be written.
    """
    answers = {}
    for name in QUESTIONS:
        path = folder / f"results/{name}.json"
        if path.exists():
            answers[name] = read_json(path)
    done = (folder / "results.json").exists()
    known, trip, mosaic = (answers.get(k) for k in ("known_style", "round_trip", "mosaic"))
    return page.write(
        folder,
        "verify_report.html.jinja",
        titles=QUESTIONS,
        answers=answers,
        finished=done,
        not_asked=read_json(folder / "results.json")["not_asked"] if done else {},
        plots=_plots(folder, known) if known else [],
        known_rows=_known(folder, known) if known else [],
        best=best_measure(answers["which_filter"]) if "which_filter" in answers else "",
        trips=_trips(trip) if trip else [],
        mosaics=_mosaics(folder, mosaic) if mosaic else [],
        ranked={
            measure: sorted(found["distances"].items(), key=lambda one: -one[1])
            for measure, found in answers.get("outliers", {}).get("measures", {}).items()
        },
        mean=mean,
    )


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are known; None if none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def best_measure(answer: Answer) -> str:
    """The measure that names best; of equals, the first."""
    return max(answer["measures"], key=lambda name: answer["measures"][name]["accuracy"])


def _plots(folder: Path, known: Answer) -> list[str]:
    """URIs of the plot, wide and narrow; the wide one is also a file."""
    counts, totals = known["counts"], known["totals"]["gram"]
    wide, narrow = (known_style_plot.draw(counts, totals, narrow=n) for n in (False, True))
    files.write(folder / PLOT, wide)
    return [page.embed(wide, "png"), page.embed(narrow, "png")]


def _known(folder: Path, known: Answer) -> list[Row]:
    """The stylized pictures, what was learned of them, and what that is compared with."""
    own = folder / "known_style"
    learned = [
        page.picture(own / f"learned_{n}/style.png", SMALL, f"learned from {n}")
        for n in known["counts"]
    ]
    most = known["counts"][-1]
    own_style = page.picture(Path(_style(folder)), SMALL, "S")
    floor = page.picture(own / "floor/style.png", SMALL, "learned from S itself")
    others = [
        page.picture(own / f"pixel_mean_{most}.png", SMALL, f"mean of the pixels of {most}"),
        page.picture(own / "noise.png", SMALL, "white noise in their colors"),
    ]
    stylized = [page.picture(folder / p, SMALL, Path(p).stem) for p in known["stylized"][:SHOWN]]
    return [
        Row("The pictures, made with S", stylized),
        Row(
            "S, what was learned from the pictures, and what is learned from S itself",
            [own_style, *learned, floor],
        ),
        Row("To compare with", others),
    ]


def _style(folder: Path) -> str:
    return read_json(folder / "config.json")["verify"]["style"]


def _trips(trip: Answer) -> list[Row]:
    """{scene: original, restyled, what the filter made} of the first held-out scenes."""
    ways = "in the learned style", "with a single picture", "by the learned change"
    names = "original", *ways, "what the filter made"
    return [
        Row(
            scene,
            [page.picture(Path(p), SMALL, name) for p, name in zip(paths, names, strict=True)],
        )
        for scene, paths in list(trip["shown"].items())[:SHOWN]
    ]


def _mosaics(folder: Path, mosaic: Answer) -> list[Row]:
    """The style images, where they copy, and a collage."""
    seeds = list(zip(mosaic["seeds"], mosaic["images"], strict=True))
    return [
        Row(
            "The style images",
            [page.picture(folder / path, SMALL, f"seed {seed}") for seed, path in seeds],
        ),
        Row(
            "Their copied patches, in color",
            [page.picture(folder / f"mosaic/seed_{s}.png", SMALL, f"seed {s}") for s, _ in seeds],
        ),
        Row(
            "What a mosaic would be",
            [page.picture(folder / "mosaic/collage.png", SMALL, "collage of pieces")],
        ),
    ]
