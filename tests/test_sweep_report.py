"""The report of a sweep: what it says, and what a real browser makes of it."""

import itertools
import json
import shutil

import pytest
from pages import RUN, Page, assert_accessible, metrics, save_picture

from experiments import cli
from styleinv import images
from styleinv.config import Config
from styleinv.pages import sweep_table
from styleinv.pages.sweep_report import write_report

SIZES, REGIONS, SEEDS = ("1", "2", "4", "8"), ("all", "sky"), ("0", "1", "2")
FAILED, WAITING = "size-8_region-sky_seed-2", "size-8_region-sky_seed-1"


def axis(field, name, *values):
    return {"fields": [field], "names": [name], "values": [[value] for value in values]}


@pytest.fixture
def write_sweep(tmp_path):
    """A function: axes -> the folder of a sweep over them; one cell has failed, one waits."""

    def write(*axes, rows=6):
        folder, cells = tmp_path / "sweep", {}
        texts = [[value[0] for value in axis["values"]] for axis in axes]
        for number, point in enumerate(itertools.product(*texts)):
            names = [axis["names"][0] for axis in axes]
            slug = "_".join(f"{n}-{text}" for n, text in zip(names, point, strict=True))
            values = {axis["fields"][0]: text for axis, text in zip(axes, point, strict=True)}
            command = f"python -m experiments.learn_style --config=anime --workdir=cells/{slug}"
            cells[slug] = {"values": values, "command": command, "status": "finished"}
            cells[slug] |= {"compiled": 65 if number == 0 else 0, "read": 0}
            if slug == FAILED:
                cells[slug] |= {"status": "failed", "reason": "the disk is on fire <b>now</b>"}
            elif slug == WAITING:
                cells[slug] |= {"status": "waiting"}
            else:
                write_cell(folder / "cells" / slug, number, values, rows)
        base = {"dataset": {"size": 0, "region": ["all"]}, "seeds": [0], "resolution": 64}
        state = RUN | {"axes": axes, "base": base, "cells": cells}
        (folder / "sweep.json").write_text(json.dumps(state))
        return folder

    return write


def write_cell(folder, number, values, rows):
    save_picture(folder / "style.png", 64, 64, seed=number)
    config = {"dataset": {"size": int(values.get("dataset.size", 0)), "region": ["all"]}}
    config |= {"seeds": [0], "resolution": 64}
    results = {"loss": 1 / (number + 2), "style": 0.1, "tv": 0.01, "dispersion": 0.2}
    results |= {"total": {"learned": 0.5 / (number + 2)}, "pictures": [{"image": "style.png"}]}
    stages = [{"picture": 0, "stage": 3 * i // rows} for i in range(rows)]
    rows = [row | stage for row, stage in zip(metrics(rows), stages, strict=True)]
    lines = [json.dumps(row) for row in rows]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "run.json").write_text(json.dumps(RUN | {"seconds": 10.0 + number}))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture
def three_axes(write_sweep):
    return write_sweep(
        axis("dataset.size", "size", *SIZES),
        axis("dataset.region", "region", *REGIONS),
        axis("seeds", "seed", *SEEDS),
    )


def test_write_report_says_what_there_is(three_axes):
    page = Page(write_report(three_axes).read_text("utf-8"))
    parts = "Failed, Loss by axis, Numbers, Cells, To run it again"
    assert page.headings == ["anime: 24 cells", *parts.split(", ")]
    assert "22 of 24 cells are finished, 1 failed." in page.text
    assert "The nearest to its style is size 8, region sky, seed 0, at a distance of 0.0217" in (
        page.text
    )
    assert "65 functions were compiled in all; 21 cells needed none of their own." in page.text
    assert "the disk is on fire <b>now</b>" in page.text
    assert page.text.count("lines join the means over seed") == 1  # a seed is no quantity
    assert "config.dataset.size 0 4" in page.text
    assert "python -m experiments.learn_style --config=anime --workdir=cells/" in page.text
    assert len([alt for alt in page.alts() if alt.startswith("The picture of")]) == 22
    assert_accessible(page)


def test_write_report_needs_nothing_else(three_axes):
    page = Page(write_report(three_axes).read_text("utf-8"))
    loads = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "data", "action", "poster")
    ]
    assert loads
    assert all(value.startswith("data:image/") for value in loads)


@pytest.mark.parametrize("count", [1, 2])
def test_write_report_fewer_axes(write_sweep, count):
    axes = [axis("dataset.size", "size", "1", "2"), axis("seeds", "seed", "0", "1", "2")]
    page = Page(write_report(write_sweep(*axes[-count:])).read_text("utf-8"))
    assert len([alt for alt in page.alts() if alt.startswith("The picture of")]) == 3 * count
    assert_accessible(page)


def test_write_report_of_a_hundred_cells_is_a_few_megabytes(write_sweep, painting):
    folder = write_sweep(
        axis("dataset.size", "size", *map(str, range(10))),
        axis("seeds", "seed", *map(str, range(10))),
        rows=240,
    )
    content = images.encode_png(painting(1, 256, 256))
    for path in folder.glob("cells/*/style.png"):
        path.write_bytes(content)
    assert write_report(folder).stat().st_size < 5e6


def test_as_csv_has_a_row_for_each_cell(three_axes):
    head, *rows = sweep_table.as_csv(three_axes).decode().splitlines()
    assert head == (
        "cell,dataset.size,dataset.region,seeds,status,loss,style,content,variation,dispersion,"
        "per_image,distance,seconds,compiled,read"
    )
    assert len(rows) == 24
    assert rows[0] == "size-1_region-all_seed-0,1,all,0,finished,0.5,0.1,,0.01,0.2,,0.25,10.0,65,0"
    assert rows[-1].endswith(",8,sky,2,failed: the disk is on fire <b>now</b>,,,,,,,,,0,0")


def test_no_number_is_called_as_a_field_that_a_grid_may_be_over(write_sweep):
    names = {name.removeprefix("config.") for name, *_ in cli.fields(Config())}
    assert not names & {*sweep_table.NUMBERS, "cell", "status", "seconds", "compiled", "read"}
    folder = write_sweep(axis("tv", "tv", "0.1", "3"), axis("seeds", "seed", "0"))
    assert [(row["tv"], row["variation"]) for row in sweep_table.rows(folder)] == [
        ("0.1", 0.01),
        ("3", 0.01),
    ]


@pytest.fixture(scope="module")
def browser():
    """A real Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        # Its sandbox does not work in a container.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, three_axes):
    """A function: width, scripts -> the report in a window; it fails for whatever goes wrong."""
    report, wrong, contexts = write_report(three_axes), [], []

    def show(width, scripts=True):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url))
        page.goto(report.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert [one for one in wrong if one != report.as_uri() and not one.startswith("data:")] == []


def column(page, index):
    cells = page.locator(f".sorted tbody tr > :nth-child({index})")
    return [float(text) if text != "-" else None for text in cells.all_inner_texts()]


def test_page_sorts_its_table(open_page):
    page = open_page(1280)
    loss = page.get_by_role("columnheader", name="Loss")
    unsorted = column(page, 5)
    loss.get_by_role("button").click()
    known = sorted(value for value in unsorted if value is not None)
    assert column(page, 5) == [*known, None, None]
    assert loss.get_attribute("aria-sort") == "ascending"
    loss.get_by_role("button").click()
    assert column(page, 5) == [*known[::-1], None, None]
    page.get_by_role("columnheader", name="Cell").get_by_role("button").click()
    assert column(page, 5) == unsorted
    assert loss.get_attribute("aria-sort") is None


@pytest.mark.parametrize("scripts", [True, False])
def test_page_shows_a_cell_at_a_click(open_page, scripts):
    page = open_page(1280, scripts)
    name = "size 2, region sky, seed 1"
    panel = page.locator(f'.panel[aria-label="{name}"]')
    assert not panel.is_visible()
    page.locator(f'button.cell[aria-label="{name}"]').click()
    assert panel.is_visible()
    assert panel.locator("svg.chart polyline").count() > 2
    assert "--workdir=cells/size-2_region-sky_seed-1" in panel.inner_text()
    page.keyboard.press("Escape")
    assert not panel.is_visible()


def test_page_of_a_failed_cell_says_why(open_page):
    page = open_page(1280)
    page.get_by_role("button", name="size 8, region sky, seed 2").first.click()
    assert page.get_by_text("failed: the disk is on fire <b>now</b>").is_visible()


@pytest.mark.parametrize("width", [360, 500, 1280])
def test_page_fits_the_screen(open_page, width):
    page = open_page(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("button.cell").first.click()
    box = page.locator(".panel:popover-open").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_page_prints_every_cell(open_page):
    page = open_page(1280)
    page.locator("button.cell").first.click()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(panel.is_visible() for panel in page.locator(".panel").all())
    assert page.locator(".panel:popover-open").count() == 0
