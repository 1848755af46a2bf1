"""A learn_style run's folder -> curve.png and report.html: the style image beside its references.

The page says in one paragraph what the numbers mean, and ends with all that is needed to run it
again.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from styleinv import images
from styleinv.journal import read_json, read_metrics
from styleinv.pages import page
from styleinv.pages.page import Picture, Reference, Row

SHOWN = 48  # references in the mosaic
MOSAIC = 768  # its resolution, enough for dense screens


def write_report(folder: Path, references: Sequence[Reference]) -> Path:
    """Writes curve.png and report.html into a run's folder and returns the path of the report.

    Without results.json (an interrupted run) the report tells how far the run came; without a
    single step there is no curve. Pictures that are gone are named in their place.

    Args:
        folder: with run.json and config.json, and what else the run left there.
        references: the dataset, of which the heaviest are shown; may be empty.

    Raises:
        InputError: if a JSON file is missing or broken, or the folder cannot be written.
    """
    results = read_json(folder / "results.json") if (folder / "results.json").exists() else None
    rows = read_metrics(folder / "metrics.jsonl")
    if results:
        whole = results | {"name": "", "image": "style.png", "regions": {"": results}}
        done = {each["name"]: each for each in results.get("pictures", [whole])}
    else:
        done = dict.fromkeys([row.get("region", "") for row in rows] or [""])
    shown = page.heaviest(references, SHOWN)
    return page.write(
        folder,
        "report.html.jinja",
        results=results,
        references=references,
        unequal=len({round(reference.weight, 6) for reference in references}) > 1,
        portraits=[
            _portrait(folder, name, [row for row in rows if row.get("region", "") == name], each)
            for name, each in done.items()
        ],
        mosaic=_mosaic(shown),
        mosaic_rows=_rows(len(shown)),
    )


def _portrait(
    folder: Path, name: str, rows: Sequence[Row], done: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the page says of one style image.

    Args:
        name: the region's, or "".
        done: its row of results.json; None if it did not come to its end.
    """
    seed = done["best_seed"] if done else rows[-1]["seed"] if rows else 0
    own = [row for row in rows if row["seed"] == seed]
    rest = sorted({row["seed"] for row in rows} - {seed})
    others = [[row for row in rows if row["seed"] == other] for other in rest]
    paths = page.snapshot_paths(folder, f"{name}_seed{seed}" if name else f"seed{seed}")
    saved = folder / done["image"] if done else folder / "style.png"
    last = saved if saved.exists() else next(reversed(paths.values()), None)
    regions = done["regions"] if done else {}
    curve = f"curve_{name}.png" if name else "curve.png"
    return {
        "name": name,
        "seed": seed,
        "done": done,
        "image": last and page.embed(last.read_bytes(), "png"),
        "shape": images.read(last).shape[1::-1] if last else (1, 1),
        "saved": saved.exists(),
        "snapshots": page.snapshots(paths, own),
        "stages": page.stages(own),
        "curves": page.write_curves(folder / curve, own, others),
        "regions": {
            region: table | {"positions": page.positions(table["layers"] | {"": table["total"]})}
            for region, table in regions.items()
        },
        "finals": _finals(folder, done["seeds"]) if done else [],
    }


def _finals(folder: Path, seeds: Sequence[Mapping[str, Any]]) -> list[tuple[Picture, Any]]:
    return [
        (page.picture(folder / it["image"], page.SNAPSHOT, f"seed {it['seed']}"), it)
        for it in seeds
    ]


def _rows(size: int) -> int:
    """Rows of a square mosaic; when in doubt one more, because most pictures are wide."""
    return max(1, round(sqrt(size) + 0.1))


def _mosaic(references: Sequence[Reference]) -> list[Picture]:
    resolution = MOSAIC // _rows(len(references))
    return [
        page.picture(it.path, resolution, it.name, page.percent(it.weight)) for it in references
    ]
