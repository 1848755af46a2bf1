"""The page of verify: what there is of it, whatever the names."""

import json

from pages import RUN, Page, assert_accessible, assert_needs_nothing_else, save_picture

from styleinv.pages import verify_report

EVIL = "<script>&"


def write_run(folder, answers, *, finished=True):
    (folder / "results").mkdir(parents=True)
    status = {} if finished else {"status": "interrupted", "finished": None}
    (folder / "run.json").write_text(json.dumps(RUN | {"experiment": "verify"} | status))
    (folder / "config.json").write_text(json.dumps({"verify": {"style": "none.jpg"}}))
    for name, answer in answers.items():
        (folder / f"results/{name}.json").write_text(json.dumps(answer))
    if finished:
        left = {name: "more" for name in verify_report.QUESTIONS if name not in answers}
        (folder / "results.json").write_text(json.dumps({"not_asked": left}))
    return folder


def strangers(outliers):
    one = {"distances": {EVIL: 0.5, "b": 0.1}, "limit": 0.3, "outliers": outliers}
    one |= {"dropped": [EVIL], "dispersion": 0.2, "dispersion_without": 0.1, "shift": 0.01}
    return {"measures": {"gram": one, "correlation": one}}


def test_write_report_names_outliers_and_what_was_not_asked(tmp_path):
    folder = write_run(tmp_path / "run", {"outliers": strangers([EVIL])})
    page = Page(verify_report.write_report(folder).read_text())
    assert f"{EVIL} does not belong" in page.text
    assert "Known style needs more" in page.text
    assert not page.all("script")
    assert_accessible(page)
    folder = write_run(tmp_path / "none", {"outliers": strangers([])})
    assert "all belong" in Page(verify_report.write_report(folder).read_text()).text


def test_write_report_of_a_stopped_run_says_so(tmp_path):
    folder = write_run(tmp_path / "run", {"outliers": strangers([])}, finished=False)
    page = Page(verify_report.write_report(folder).read_text())
    assert "The run ended early: 1 question is answered." in page.text
    assert "Not asked" not in page.headings


def test_write_report_of_a_mosaic_without_patterns_shows_dashes(tmp_path):
    blank = {"copied": None, "coherent": None, "largest": None, "distance": None, "plain": 1.0}
    space = {"limit": 0.1, "seeds": [blank], "collage": blank, "pictures": [blank]}
    answer = {"seeds": [0], "images": ["images/a.png"], "searched": ["a"], "between_seeds": None}
    answer |= {"spaces": {"pixels": space, "relu3_1": space}}
    folder = write_run(tmp_path / "run", {"mosaic": answer})
    save_picture(folder / "images/a.png")
    page = Page(verify_report.write_report(folder).read_text())
    assert_needs_nothing_else(page)
    assert "seed_0.png" not in page.text  # a map that is gone is named by its caption
    assert "cannot be read" in page.text
