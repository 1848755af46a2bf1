"""The report: whole for every kind of run, safe for every name, and in need of no network."""

import base64
import json
import re
import subprocess
import sys

import pytest
from pages import (
    LAYERS,
    RUN,
    Page,
    assert_accessible,
    assert_needs_nothing_else,
    metrics,
    save_picture,
)

from styleinv.errors import InputError
from styleinv.journal import read_json, read_metrics
from styleinv.pages.page import Reference
from styleinv.pages.report import write_report


def distances(typical):
    return {"noise": 2.0, "typical": typical, "learned": 0.02}


@pytest.fixture
def write_run(tmp_path):
    """A function that writes a run's folder; without rows there is no curve, which is quick."""

    def write(*, rows=(), results=None, finished=True, random=False, seeds=1):
        folder = tmp_path / "run"
        snapshots = [f"seed0_step{step:05d}" for step in (2, 6)]
        finals = [f"seed{seed}_final" for seed in range(seeds)]
        for seed, name in enumerate(snapshots + finals if finished else snapshots):
            folder.mkdir(exist_ok=True)
            save_picture(folder / "images" / f"{name}.png", seed=seed)
        run = RUN | {"weights": RUN["weights"] | {"random": random}}
        if not finished:
            run |= {"finished": None, "status": "interrupted"}
        (folder / "run.json").write_text(json.dumps(run))
        config = {"tv": 3.0, "dataset": {"path": "pictures", "size": 9}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        if finished:
            save_picture(folder / "style.png", 24, 24, seed=9)
            default = {
                "resolution": 64,
                "statistic": "gram",
                "linear": True,
                "loss": 0.045,
                "style": 0.025,
                "tv": 0.02,
                "dispersion": 0.25,
                "per_image": 0.275,
                "total": distances(0.2),
                "layers": {layer: distances(0.2) for layer in LAYERS},
                "seeds": [
                    {"seed": seed, "loss": 0.04, "style": 0.02, "image": f"images/{name}.png"}
                    for seed, name in enumerate(finals)
                ],
                "best_seed": 0,
            }
            (folder / "results.json").write_text(json.dumps(default | (results or {})))
        return folder

    return write


@pytest.fixture
def references(tmp_path):
    """A function that gives so many references, all of one picture."""
    path = save_picture(tmp_path / "pictures" / "a.png")
    return lambda size: [Reference(f"{i}.png", path, 1 / size) for i in range(size)]


def read_page(folder, references):
    return Page(write_report(folder, references).read_text("utf-8"))


def test_write_report_finished_run_has_all_parts_in_order(write_run, references):
    folder = write_run(rows=metrics() + metrics(seed=1), seeds=2)
    page = read_page(folder, references(3))
    parts = "How it came about, Curves, Layers, Seeds, Numbers, To run it again"
    assert page.headings == ["anime", *parts.split(", ")]
    assert "10 times closer to the statistics of the set than a typical picture" in page.text
    assert "and 100 times closer than white noise" in page.text
    assert "config.tv 3.0" in page.text.partition("Set on the command line")[2]
    files = {"curve.png", "report.html", "style.png", "images"}
    files |= {"run.json", "config.json", "metrics.jsonl", "results.json"}
    assert {path.name for path in folder.iterdir()} == files


def test_write_report_needs_nothing_else_and_is_accessible(write_run, references):
    page = read_page(write_run(rows=metrics()), references(3))
    assert_needs_nothing_else(page)
    assert_accessible(page)


def test_write_report_embeds_the_saved_files(write_run, references):
    folder = write_run(rows=metrics())
    page = read_page(folder, references(1))
    prefix = "data:image/png;base64,"
    uris = [image["src"] for image in page.all("img") if image["src"].startswith(prefix)]
    actual = [base64.b64decode(uri.removeprefix(prefix)) for uri in uris]
    desired = [(folder / name).read_bytes() for name in ("style.png", "curve.png")]
    assert actual == desired


def test_write_report_interrupted_run_tells_how_far_it_came(write_run, references):
    folder = write_run(rows=metrics(), finished=False)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"seed": 0, "stage": 1, "lo')
    page = read_page(folder, references(3))
    assert "The run ended early at step 6, at 64 px." in page.text
    assert "The loss went from 1.00 to 0.167" in page.text
    assert "The style image as it was last seen, 20" in page.text
    assert "Layers" not in page.headings


def test_write_report_before_the_first_step_has_no_curve(write_run, references):
    folder = write_run(finished=False)
    page = read_page(folder, references(3))
    assert "The run ended early, before its first step." in page.text
    assert "Curves" not in page.headings
    assert not (folder / "curve.png").exists()


@pytest.mark.parametrize(
    ("size", "words"),
    [(3, "This statistic is not linear"), (1, "There is one reference")],
)
def test_write_report_without_dispersion_compares_with_noise_alone(
    write_run, references, size, words
):
    results = {"linear": False, "dispersion": None, "per_image": None, "total": distances(None)}
    results["layers"] = {layer: distances(None) for layer in LAYERS}
    page = read_page(write_run(results=results), references(size))
    assert words in page.text
    assert "100 times closer" in page.text
    assert "ypical" not in page.text


def test_write_report_many_references_shows_the_heaviest(write_run, references):
    heavy = references(100)[0]._replace(name="heavy.png", weight=0.5)
    page = read_page(write_run(), [*references(100), heavy])
    alts = [alt for alt in page.alts() if alt.startswith("Reference")]
    assert len(alts) == 48
    assert alts[0] == "Reference heavy.png"
    assert "48 references, the heaviest, and 53 more" in page.text


def test_write_report_names_references_that_are_gone(write_run, references, tmp_path):
    gone = Reference("gone.png", tmp_path / "gone.png", 0.5)
    page = read_page(write_run(), [references(2)[0], gone])
    assert "gone.png cannot be read" in page.text


def test_write_report_without_references_shows_the_style_image_alone(write_run):
    page = read_page(write_run(), [])
    assert "The style image, 24" in page.text
    assert "references" not in page.text


def test_write_report_escapes_hostile_names(write_run, tmp_path):
    name = '"><script>alert(1)</script>.png'
    present = Reference(name, save_picture(tmp_path / "a.png"), 0.5)
    folder = write_run()
    for file in ("run.json", "config.json"):
        values = json.loads((folder / file).read_text())
        values |= {"config": name, "command": name} if file == "run.json" else {name: name}
        (folder / file).write_text(json.dumps(values))
    page = read_page(folder, [present, Reference(name, tmp_path / "gone.png", 0.5)])
    assert not page.all("script")
    assert page.headings[0] == name
    assert f"Reference {name}" in page.alts()


@pytest.mark.parametrize("random", [True, False])
def test_write_report_warns_of_random_weights(write_run, references, random):
    page = read_page(write_run(random=random), references(2))
    warning = "The network of this run has random weights. The picture and all numbers below show"
    assert (warning in page.text) == random


@pytest.mark.parametrize("content", [None, b"{", b"\xff"])
def test_write_report_names_the_file_that_is_broken(write_run, references, content):
    folder = write_run()
    if content is None:
        (folder / "run.json").unlink()
    else:
        (folder / "run.json").write_bytes(content)
    problem = "does not exist" if content is None else "is not valid JSON"
    with pytest.raises(InputError, match=re.escape(str(folder / "run.json")) + f" {problem}"):
        write_report(folder, references(1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "run.json is not valid JSON: its lists go too deep"),
        (b"[1]", "run.json holds no JSON object"),
        (b"\xff", "run.json is not valid JSON"),
        (b"{", "run.json is not valid JSON"),
        (b"9" * 5000, "run.json is not valid JSON"),
    ],
)
def test_read_json_refuses(tmp_path, content, message):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / "run.json")


@pytest.mark.parametrize("line", ["[1]", "7", "null", "[" * 100_000])
def test_read_metrics_refuses_a_line_that_is_no_object(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl is not valid JSON in line 2"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_read_metrics_ignores_only_a_last_line_cut_short(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_metrics(path) == [{"step": 1}, {"step": 2}]
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(InputError, match="is not valid JSON in line 2"):
        read_metrics(path)


@pytest.mark.parametrize("module", ["report", "transfer_report"])
def test_report_does_not_import_jax(module):
    code = f"import sys, styleinv.pages.{module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
