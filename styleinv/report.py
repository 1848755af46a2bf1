"""A learn_style run's folder -> curve.png and report.html: the style image beside its references.

The page says in one paragraph what the numbers mean, and ends with all that is needed to run it
again.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from styleinv import images, page
from styleinv.journal import read_json, read_metrics
from styleinv.page import Picture, Reference

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
    seed = results["best_seed"] if results else rows[-1]["seed"] if rows else 0
    own = [row for row in rows if row["seed"] == seed]
    rest = sorted({row["seed"] for row in rows} - {seed})
    others = [[row for row in rows if row["seed"] == other] for other in rest]

    snapshots = page.snapshot_paths(folder, f"seed{seed}")
    saved = (folder / "style.png").exists()
    style_image = folder / "style.png" if saved else next(reversed(snapshots.values()), None)
    shown = page.heaviest(references, SHOWN)
    return page.write(
        folder,
        "report.html.jinja",
        results=results,
        references=references,
        unequal=len({round(reference.weight, 6) for reference in references}) > 1,
        style_image=style_image and page.embed(style_image.read_bytes(), "png"),
        style_shape=images.read(style_image).shape[1::-1] if style_image else (1, 1),
        style_saved=saved,
        mosaic=_mosaic(shown),
        mosaic_rows=_rows(len(shown)),
        snapshots=page.snapshots(snapshots, own),
        seed=seed,
        stages=page.stages(own),
        curves=page.write_curves(folder, own, others),
        positions=page.positions(results["layers"] | {"": results["total"]}) if results else None,
        finals=_finals(folder, results["seeds"]) if results else [],
    )


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
