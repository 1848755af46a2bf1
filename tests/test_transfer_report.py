"""The report of a transfer: for one photo or many, with regions or without, finished or not."""

import json

import pytest
from pages import LAYERS, RUN, Page, assert_accessible, assert_needs_nothing_else, save_picture
from pages import metrics as lines

from styleinv.errors import InputError
from styleinv.pages.page import Reference
from styleinv.pages.transfer_report import write_report


def metrics(*names, **changes):
    values = {"content": 0.1, "style": 0.3} | {f"style/{layer}": 0.1 for layer in LAYERS}
    changes = {"values": values, "dispersion": None} | changes
    return [row for name in names for row in lines(content=name, **changes)]


def measured(photo=2.0, stylized=0.5):
    distances = {"photo": photo, "stylized": stylized}
    layers = {
        layer: {"photo": photo, "stylized": stylized / 2**i} for i, layer in enumerate(LAYERS)
    }
    return {"layers": layers, "total": distances}


def results_of(name, regions=None, **changes):
    row = {"name": name, "photo": f"{name}.jpg", "output": f"stylized/{name}.png"}
    row |= {"loss": 0.045, "content": 0.02, "style": 0.025, "content_distance": {"relu4_2": 0.45}}
    return row | {"regions": regions or {"all": measured()}} | changes


@pytest.fixture
def write_run(tmp_path):
    """A function that writes a run's folder; without rows there is no curve, which is quick."""

    def write(done, *, rows=(), snapshots=(), finished=True, run=None, colors="no"):
        folder = tmp_path / "run"
        folder.mkdir()
        state = {} if finished else {"finished": None, "status": "interrupted"}
        command = "python -m experiments.transfer --config=transfer --config.content=photos"
        names = {"experiment": "transfer", "config": "transfer", "command": command}
        (folder / "run.json").write_text(json.dumps(RUN | names | state | (run or {})))
        config = {"resolution": 128, "style": {"statistic": "gram"}}
        config["content"] = {"path": "photos", "original_colors": colors}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for name in snapshots:
            save_picture(folder / "images" / f"{name}.png")
        for row in done:
            save_picture(folder / row["output"], 12, 16)
            path = folder / "results" / f"{row['name']}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(row))
        if finished:
            values = {"resolution": 128, "statistic": "gram", "pictures": done}
            (folder / "results.json").write_text(json.dumps(values))
        return folder

    return write


@pytest.fixture
def contents(tmp_path):
    """A function: names -> photos."""

    def save(*names):
        paths = [save_picture(tmp_path / "photos" / f"{name}.jpg", 24, 32) for name in names]
        return [Reference(name, path, 1.0) for name, path in zip(names, paths, strict=True)]

    return save


@pytest.fixture
def styles(tmp_path):
    """A function that gives so many pictures of a style."""
    path = save_picture(tmp_path / "styles" / "s.jpg")
    return lambda size=1: [Reference(f"s{i}.jpg", path, 1 / size) for i in range(size)]


def read_page(folder, contents, styles):
    return Page(write_report(folder, contents, styles).read_text("utf-8"))


def test_write_report_one_photo_has_all_parts_in_order(write_run, contents, styles):
    folder = write_run(
        [results_of("a", tv=0.01)],
        rows=metrics("a"),
        snapshots=("a_step00002", "a_step00006", "ab_step00002"),
    )
    page = read_page(folder, contents("a"), {"all": styles()})
    parts = "How it came about, Curves, Layers, Numbers, To run it again"
    assert page.headings == ["a", *parts.split(", ")]
    assert page.alts()[:3] == [
        "The photo a.jpg",
        "The stylized picture",
        "Picture of the style, s0.jpg",
    ]
    assert sum(alt.startswith("The image at step") for alt in page.alts()) == 2
    assert "The photo, a.jpg, 32" in page.text
    assert "The stylized picture, a.png, 16" in page.text
    assert "Total variation 0.0100" in page.text
    assert (folder / "curve.png").exists()


def test_write_report_one_photo_says_what_it_means(write_run, contents, styles):
    page = read_page(write_run([results_of("a")]), contents("a"), {"all": styles()})
    assert "The stylized picture is 4.0 times closer to the style than the photo was." in page.text
    assert "2.00 for the photo and 0.500 for the stylized picture." in page.text
    assert "nearest in relu2_1 (0.125) and farthest in relu1_1 (0.500)" in page.text
    assert "features at relu4_2 by 45 % (squared" in page.text
    assert "colors" not in page.text.partition("To run it again")[0]


def test_write_report_one_photo_that_got_worse_says_so(write_run, contents, styles):
    folder = write_run([results_of("a", {"all": measured(0.5, 2.0)})])
    page = read_page(folder, contents("a"), {"all": styles()})
    assert "The stylized picture is 4.0 times farther from the style than the photo" in page.text


def test_write_report_needs_nothing_else_and_is_accessible(write_run, contents, styles):
    folder = write_run([results_of("a")], rows=metrics("a"))
    page = read_page(folder, contents("a"), {"all": styles()})
    assert_needs_nothing_else(page)
    assert_accessible(page)


def test_write_report_regions_are_measured_each(write_run, contents, styles):
    regions = {"sky": measured(2.0, 0.5), "rest": measured(1.0, 1.2)}
    row = results_of("a", regions, **{"style@sky": 0.02, "style@rest": 0.005})
    page = read_page(write_run([row]), contents("a"), {"sky": styles(), "rest": []})
    assert "is 4.0 times closer in sky and 1.2 times farther in the rest" in page.text
    assert "1.00 for the photo and 1.20 for the stylized picture in the rest." in page.text
    assert "The style in sky, s0.jpg The style in the rest, from a style file" in page.text
    assert "Style: sky 0.0200" in page.text
    assert page.text.count("relu1_1") == 2
    assert_accessible(page)


def test_write_report_several_photos_are_pairs_and_a_table(write_run, contents, styles):
    done = [results_of(f"p{i}", {"all": measured(1.0, 2.0**-i)}) for i in range(5)]
    folder = write_run(done, rows=metrics("p0", "p1"), snapshots=("p0_step00002", "p0_step00006"))
    page = read_page(folder, contents(*(row["name"] for row in done)), {"all": styles(2)})
    parts = "Pictures, Distances, How the first came about, Curves, Numbers, To run it again"
    assert page.headings == ["5 pictures", *parts.split(", ")]
    assert "In the median, a stylized picture is 4.0 times closer to the style than" in page.text
    assert "p0.jpg gained least (about as close), p4.jpg most (16 times closer)." in page.text
    assert "features at relu4_2 changed by 45 % (squared" in page.text
    assert "p0.jpg, the first; the totals of the others are gray." in page.text
    assert [alt for alt in page.alts() if "p3" in alt] == ["The photo p3.jpg", "p3.jpg, stylized"]
    assert "p3.jpg 45 % 0.0450 1.00 0.125" in page.text
    assert_accessible(page)


def grid_of(*stylized):
    """Lines of results, and alphas, of one photo at alphas 1, 0.1, ..."""
    names = [f"a_alpha{10.0**-i:g}" for i in range(len(stylized))]
    done = [
        results_of(name, {"all": measured(1.0, distance)}, photo="a.jpg")
        for name, distance in zip(names, stylized, strict=True)
    ]
    return done, {name: 10.0**-i for i, name in enumerate(names)}


def test_write_report_several_alphas_says_which_picture_has_which(write_run, contents, styles):
    done, alphas = grid_of(0.5, 0.25)
    folder = write_run(done, rows=metrics(*alphas))
    (photo,) = contents("a")
    photos = [photo._replace(name=name) for name in alphas]
    page = Page(write_report(folder, photos, {"all": styles()}, alphas).read_text("utf-8"))
    assert page.headings[0] == "2 pictures of a.jpg"
    assert (
        "a.jpg at alpha 1 gained least (2.0 times closer), a.jpg at alpha 0.1 most (4.0 times "
        "closer). That compares squared distances. In exchange, the photo" in page.text
    )
    assert "In the median" not in page.text
    assert page.alts()[:2] == ["The photo a.jpg", "a.jpg at alpha 1, stylized"]
    assert "a.jpg at alpha 0.1 45 % 0.0450 1.00 0.250" in page.text
    assert "a.jpg at alpha 1, the first; the totals of the others are gray." in page.text
    assert "Stages of a.jpg at alpha 1" in page.text


def test_write_report_several_alphas_that_gained_the_same(write_run, contents, styles):
    done, alphas = grid_of(0.5, 0.5)
    photos = [contents("a")[0]._replace(name=name) for name in alphas]
    folder = write_run(done)
    page = Page(write_report(folder, photos, {"all": styles()}, alphas).read_text("utf-8"))
    assert "Every stylized picture is 2.0 times closer to the style than its photo" in page.text
    assert "gained" not in page.text


def test_write_report_several_photos_that_gained_the_same(write_run, contents, styles):
    done = [results_of("a"), results_of("b")]
    page = read_page(write_run(done), contents("a", "b"), {"all": styles()})
    assert "In the median, a stylized picture is 4.0 times closer to the style" in page.text
    assert "gained" not in page.text


def test_write_report_several_photos_with_regions_of_their_own(write_run, contents, styles):
    one, two = {"sky": measured(1.0, 0.5), "rest": measured(1.0, 0.1)}, {"all": measured()}
    done = [results_of("a", one), results_of("b", two)]
    page = read_page(write_run(done), contents("a", "b"), {"sky": styles(), "rest": styles()})
    assert "2.0 times closer in sky and 10 times closer in the rest" in page.text
    assert (
        "In the median of all regions, a stylized picture is 4.0 times closer to its" in page.text
    )
    assert [cell["rowspan"] for cell in page.all("th") if "rowspan" in cell] == ["2", "1"]


def test_write_report_a_hundred_photos_make_a_page_of_sane_size(write_run, contents, styles):
    photos = contents("big")
    save_picture(photos[0].path, 400, 600)
    done = [results_of(f"p{i}", output="stylized.png") for i in range(130)]
    folder = write_run(done)
    save_picture(folder / "stylized.png", 400, 600)
    report = write_report(
        folder, [photos[0]._replace(name=row["name"]) for row in done], {"all": styles(30)}
    )
    page = Page(report.read_text("utf-8"))
    assert sum(alt.endswith("stylized") for alt in page.alts()) == 100
    assert "and 30 more, which are in the folder" in page.text
    assert "The style, of 30 pictures, of which 24 are shown" in page.text
    assert "p129.jpg" in page.text
    assert report.stat().st_size < 15e6  # of noise, which is several times as large as a photo


@pytest.mark.parametrize(
    ("status", "words"), [("interrupted", "ended early"), ("running", "was still running")]
)
def test_write_report_interrupted_photo_tells_how_far_it_came(
    write_run, contents, styles, status, words
):
    run = {"status": status}
    folder = write_run([], rows=metrics("a"), snapshots=("a_step00002",), finished=False, run=run)
    page = read_page(folder, contents("a"), {"all": styles()})
    assert f"The run {words} at step 6, at 64 px. The loss went from 1.00 to 0.167" in page.text
    assert "The stylized picture as it was last seen, a_step00002.png" in page.text
    assert page.headings == ["a", "Curves", "Numbers", "To run it again"]


def test_write_report_interrupted_among_several_shows_what_there_is(write_run, contents, styles):
    folder = write_run(
        [results_of("c"), results_of("a")], snapshots=("b_step00002",), finished=False
    )
    page = read_page(folder, contents("a", "b", "c", "d"), {"all": styles()})
    assert "The run ended early: 2 of 4 pictures are done." in page.text
    assert [alt for alt in page.alts() if not alt.startswith("P")] == [
        *("The photo a.jpg", "a.jpg, stylized"),
        *("The photo b.jpg", "b.jpg, as it was last seen"),
        *("The photo c.jpg", "c.jpg, stylized"),
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [("a", "The run ended early, before its first step."), ("ab", "none of 2 pictures are done.")],
)
def test_write_report_before_the_first_step_has_no_numbers(
    write_run, contents, styles, names, words
):
    page = read_page(write_run([], finished=False), contents(*names), {"all": styles()})
    assert words in page.text
    assert "None yet." in page.text
    assert "Curves" not in page.headings


@pytest.mark.parametrize(
    ("colors", "words"),
    [
        ("luminance", "about luminance alone"),
        ("match", "The style was given the colors of the photo"),
    ],
)
def test_write_report_says_that_colors_were_kept(write_run, contents, styles, colors, words):
    page = read_page(write_run([results_of("a")], colors=colors), contents("a"), {"all": styles()})
    assert words in page.text


def test_write_report_names_pictures_that_are_gone(write_run, contents, styles):
    photos, done = contents("a", "b"), [results_of("a"), results_of("b")]
    folder = write_run(done)
    photos[0].path.unlink()
    (folder / "stylized" / "b.png").unlink()
    page = read_page(folder, photos, {"all": [styles()[0]._replace(path=folder / "none.jpg")]})
    for name in ("a.jpg", "b.png", "s0.jpg"):
        assert f"{name} cannot be read" in page.text


@pytest.mark.parametrize("others", ["", "b"])
def test_write_report_escapes_hostile_names(write_run, contents, styles, others):
    name = '"><script>alert(1)<'
    photo, *rest = contents("a", *others)
    folder = write_run([results_of(name, {name: measured()}, output="stylized.png")])
    page = read_page(
        folder, [photo._replace(name=name), *rest], {name: [styles()[0]._replace(name=name)]}
    )
    assert not page.all("script")
    assert f"The photo {name}.jpg" in page.alts()
    assert f"Picture of the style, {name}" in page.alts()


@pytest.mark.parametrize("random", [True, False])
def test_write_report_warns_of_random_weights(write_run, contents, styles, random):
    run = {"weights": RUN["weights"] | {"random": random}}
    page = read_page(write_run([results_of("a")], run=run), contents("a"), {"all": styles()})
    assert ("The network of this run has random weights. The picture and" in page.text) == random


def test_write_report_names_the_file_that_is_broken(write_run, contents, styles):
    folder = write_run([results_of("a")])
    (folder / "results.json").write_bytes(b"{")
    with pytest.raises(InputError, match=r"results\.json is not valid JSON"):
        write_report(folder, contents("a"), {"all": styles()})
