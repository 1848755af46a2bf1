"""Whole runs of verify: five answers, nothing learned from what is held out, and it goes on."""

import json
import re
import shutil
import signal
from dataclasses import asdict
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from pages import Page, assert_accessible, assert_needs_nothing_else
from PIL import Image, ImageFilter, ImageOps

from experiments import cli, learn_style, session, transfer, verify
from experiments.inputs import load_network
from experiments.questions import known_style, subrun
from styleinv import change, compare, images, style_file
from styleinv.errors import InputError
from styleinv.record import Record
from styleinv.style import measure

ALIKE = (  # what decides of what is compiled: the same for all runs
    "--config=verify",
    "--config.network.convolution=direct",
    "--config.style.layers=relu1_1,relu2_1",
    "--config.resolution=64",
)
SMALL = (
    *ALIKE,
    "--config.network.weights=random",
    "--config.steps=2",
    "--config.seeds=0,1",
    "--config.snapshots=9",
    "--config.content.normalization=mean",
    "--config.verify.steps=2",
    "--config.verify.counts=1,2",
    "--config.verify.held_out=2",
    "--config.verify.singles=1",
)
FILTERS = {
    "plain": lambda image: image,
    "soft": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "negative": ImageOps.invert,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each filter, with the same six scenes a.png .. f.png; and painting.png."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for scene in "abcdef":
        image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((80, 80))
        for name, apply in FILTERS.items():
            (root / name).mkdir(exist_ok=True)
            apply(image).save(root / name / f"{scene}.png")
    Image.fromarray(rng.integers(0, 256, (100, 80, 3), np.uint8)).save(root / "painting.png")
    return root


def words(folders, *more):
    own = (
        f"--config.dataset={folders}/soft",
        f"--config.verify.contents={folders}/plain",
        f"--config.verify.style={folders}/painting.png",
    )
    return [*SMALL, *own, *more]


def everything(folders):
    filters = ",".join(f"{name}={folders}/{name}" for name in FILTERS)
    return words(
        folders,
        f"--config.dataset.originals={folders}/plain",
        f"--config.verify.filters={filters}",
    )


def answer(folder, question):
    return json.loads((folder / f"results/{question}.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, folders):
    """The folder of a run that asked all five."""
    folder = tmp_path_factory.mktemp("verify") / "run"
    line = [*everything(folders), f"--workdir={folder}"]
    assert verify.execute(cli.parse("verify", line)) == 0
    return folder


def test_verify_answers_all_five(finished):
    results = json.loads((finished / "results.json").read_text())
    assert list(results["answers"]) == list(verify.QUESTIONS)
    assert results["not_asked"] == {}
    assert "NaN" not in (finished / "results.json").read_text()
    assert json.loads((finished / "run.json").read_text())["status"] == "finished"


def test_verify_of_a_known_style_compares_every_statistic(finished):
    found = answer(finished, "known_style")
    assert found["counts"] == [1, 2]
    for row in found["totals"].values():
        assert [len(row[way]) for way in ("learned", "statistics", "pixel_mean")] == [2, 2, 2]
        assert [len(row[way]) for way in ("single", "noise", "floor")] == [2, 1, 1]
        # Of one picture, its statistics and the mean of its pixels are its own.
        np.testing.assert_allclose(row["statistics"][0], row["single"][0], rtol=1e-3)
    assert list(found["layers"]["gram"]) == ["relu1_1", "relu2_1"]
    mean = np.mean([row["learned"] for row in found["layers"]["gram"].values()])
    np.testing.assert_allclose(found["totals"]["gram"]["learned"][-1], mean)


def test_verify_never_learns_from_what_is_held_out(finished):
    trip = answer(finished, "round_trip")
    learned = set(subrun.learned_from(finished / "round_trip/learned"))
    assert learned == set(trip["pictures"].values())
    assert len(trip["held_out"]) == 2
    assert not learned & set(trip["held_out"].values())
    assert not set(trip["singles"]) & set(trip["held_out"])

    known = answer(finished, "known_style")
    folders = [finished / f"known_style/learned_{count}" for count in known["counts"]]
    seen = [set(subrun.learned_from(folder)) for folder in folders]
    assert [len(one) for one in seen] == known["counts"]
    assert seen[0] < seen[1]
    assert known["style_sha256"] not in seen[1]
    assert not seen[1] & set(known["contents"].values())

    which = answer(finished, "which_filter")
    assert sorted(scene for group in which["held_out"] for scene in group) == list("abcdef")


def test_verify_of_filters_that_are_far_apart_names_them(finished):
    which = answer(finished, "which_filter")
    assert which["filters"] == list(FILTERS)
    for name, one in which["measures"].items():
        assert np.sum(one["confusion"]) == 18
        assert np.trace(one["confusion"]) / 18 == pytest.approx(one["accuracy"])
        assert 0 < one["p"] <= 1, name
    assert which["measures"]["change of gram"]["accuracy"] > 0.8
    assert which["measures"]["change of gram"]["p"] == 0.001


def test_verify_foresees_each_picture_by_the_change_in_the_other_scenes(finished, folders):
    which = answer(finished, "which_filter")
    layers = ("relu1_1", "relu2_1")
    network, _ = load_network(cli.parse("verify", words(folders)).config)

    def style(name, scene):
        image = images.read(folders / name / f"{scene}.png")
        seen = images.resize(image, *images.frame(*image.shape[:2], 64))
        return measure(network, seen, layers, resolution=64)

    desired = []
    for group in which["held_out"]:
        others = [scene for scene in "abcdef" if scene not in group]
        pairs = [change.learn(style("plain", s), style("soft", s), 1.0) for s in others]
        learned = reduce(change.merge, pairs)
        for scene in group:
            guess = change.predict(learned, style("plain", scene))
            apart = compare.totals(compare.distances(guess, style("soft", scene), layers))
            desired.append(apart["gram"])
    actual = which["foreseen"]["predictions"]["soft"]["gram"]["change"]["mean"]
    assert actual == pytest.approx(np.mean(desired), rel=1e-4)
    assert np.sum(which["foreseen"]["confusion"], axis=1).tolist() == [6, 6, 6]
    assert which["foreseen"]["accuracy"] > 0.8


def test_verify_does_nothing_to_the_original_where_it_says_so(finished, folders):
    trip = answer(finished, "round_trip")
    assert set(trip["means"]["pixels"]) == {"nothing", "learned", "single", "changed"}
    for scene, row in trip["rows"].items():
        images = [
            np.asarray(Image.open(folders / name / f"{scene}.png"), float) / 255
            for name in ("plain", "soft")
        ]
        desired = np.sqrt(((images[0] - images[1]) ** 2).mean())  # of the files' own size
        assert row["nothing"]["pixels"] == pytest.approx(desired, rel=0.15)


def test_verify_report_holds_all_answers(finished):
    page = Page((finished / "report.html").read_text())
    assert_needs_nothing_else(page)
    assert [h for h in page.headings if h in known_titles()] == known_titles()
    assert "random weights" in page.text
    Image.open(finished / "known_style.png").verify()
    assert all(alt.strip() for alt in page.alts())
    assert_accessible(page)


def known_titles():
    from styleinv.pages.verify_report import QUESTIONS

    return list(QUESTIONS.values())


def test_verify_finished_changes_nothing_when_started_again(finished, folders, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    line = [*everything(folders), f"--workdir={finished}"]
    assert verify.execute(cli.parse("verify", line)) == 0
    assert "holds this run, finished" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before


def test_verify_stopped_goes_on_where_it_was(tmp_path, folders, finished, monkeypatch, capsys):
    line = words(folders, "--config.verify.questions=known_style", f"--workdir={tmp_path}/run")
    step, seen = Record.step, []

    def disturbed(self, number, row):
        step(self, number, row)
        seen.append(number)
        if len(seen) in (3, 7):  # while a picture is restyled, and while a style is learned
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Record, "step", disturbed)
    for _ in range(2):
        assert verify.execute(cli.parse("verify", line)) == 130
        out = capsys.readouterr().out
        assert re.fullmatch(r"stopped; to go on: python -m experiments\.verify .*\n", out)
    assert verify.execute(cli.parse("verify", line)) == 0
    assert answer(tmp_path / "run", "known_style") == answer(finished, "known_style")
    assert len(seen) == 10  # two transfers and three learned styles of two steps, none done twice


def test_verify_leaves_out_what_the_data_do_not_allow(folders):
    config = cli.parse("verify", words(folders)).config
    asked, left = verify.questions(config)
    assert list(asked) == ["known_style", "mosaic", "outliers"]
    assert left["round_trip"] == "the original photographs (config.dataset.originals)"
    assert "config.verify.filters" in left["which_filter"]


def test_verify_of_outliers_asks_for_no_change_where_an_original_is_unknown(tmp_path, folders):
    some = tmp_path / "some"
    shutil.copytree(folders / "soft", some)
    shutil.copytree(folders / "plain", some / "photos")
    rows = [f"{scene}.png,{'' if scene == 'b' else f'photos/{scene}.png'}" for scene in "abcdef"]
    (some / "metadata.csv").write_text("\n".join(["file_name,original", *rows]))
    line = words(folders, f"--config.dataset={some}", "--config.verify.questions=outliers")
    assert verify.execute(cli.parse("verify", [*line, f"--workdir={tmp_path}/run"])) == 0
    assert set(answer(tmp_path / "run", "outliers")["measures"]) == {"gram", "correlation"}


def test_refuse_leak_finds_a_held_out_picture(finished):
    folder = finished / "round_trip/learned"
    with pytest.raises(AssertionError, match=r"learned from .*, which is held out"):
        subrun.refuse_leak(folder, {next(iter(subrun.learned_from(folder)))})


def test_subruns_hold_commands_that_make_them_alone(finished):
    about = json.loads((finished / "round_trip/restyled_learned/run.json").read_text())
    experiment, *line = about["command"].removeprefix("python -m experiments.").split()
    again = cli.parse(experiment, line)
    kept = json.loads((finished / "round_trip/restyled_learned/config.json").read_text())
    assert json.loads(json.dumps(asdict(again.config))) == kept
    assert kept["content"]["normalization"] == "mean"  # as verify was told
    _, origin = style_file.load(finished / "round_trip/restyled_learned/style.safetensors")
    assert [image["name"] for image in origin.images] == ["style.png"]


def test_restyling_with_a_split_network_has_pixels(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(session, "execute", lambda found, request, *_: made.append(request) or 0)
    config = cli.parse("verify", ["--config=verify", "--config.network.split=true"]).config
    bench = subrun.Bench(config, tmp_path, load_network, lambda: 0)
    assert bench.restyle("restyled", [Path("a.jpg")], [Path("b.jpg")])
    session.check(transfer.EXPERIMENT, made[0].config)


def test_subruns_are_looked_at_as_the_run_is(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(session, "execute", lambda found, request, *_: made.append(request) or 0)
    line = ["--config=verify", "--config.tensorboard=true", "--config.snapshots=7,9"]
    bench = subrun.Bench(cli.parse("verify", line).config, tmp_path, load_network, lambda: 0)
    assert bench.learn("learned", [Path("a.jpg")])
    assert bench.restyle("restyled", [Path("a.jpg")], [Path("b.jpg")])
    seen = [(each.config.tensorboard, each.config.snapshots) for each in made]
    assert seen == [(True, (7, 9))] * 2


@pytest.mark.parametrize("experiment", [learn_style, transfer, verify])
def test_unreadable_pictures_are_skipped_by_measure_alone(experiment):
    config = cli.config_by_name("anime")
    config.dataset.unreadable = "skip"
    with pytest.raises(InputError, match=r"unreadable \(=skip\) is for `python -m"):
        session.check(experiment.EXPERIMENT, config)


def test_known_style_takes_no_more_pictures_than_there_are(folders):
    line = words(folders, "--config.verify.counts=1,4,16")
    plan = known_style.find(cli.parse("verify", line).config)
    assert plan.counts == [1, 4]
    assert len(plan.contents) == 4


BAD = {
    "unknown question": (
        ["--config.verify.questions=mosaics"],
        r"questions \(=mosaics\) is not known; did you mean mosaic\?",
    ),
    "no originals": (
        ["--config.verify.questions=round_trip"],
        r"round_trip cannot be asked without the original photographs",
    ),
    "no filters": (
        ["--config.verify.questions=which_filter"],
        r"cannot be asked without pictures of several filters",
    ),
    "one filter": (["--config.verify.filters=a={root}/soft"], r"names 1 filters; two or more"),
    "one filter, A-1": (["--config.verify.filters=A-1={root}/soft"], r"names 1 filters; two or"),
    "nameless filter": (["--config.verify.filters={root}/soft"], r"is no filter of its own"),
    "too many held out": (
        ["--config.dataset.originals={root}/plain", "--config.verify.held_out=5"],
        r"held_out \(=5\) leaves fewer than 2 of 6 scenes to learn from; use 4 or fewer",
    ),
    "held out of nothing": (["--config.verify.held_out=0"], r"held_out \(=0\) must be 1 or more"),
    "counts": (["--config.verify.counts=4,2"], r"counts must rise"),
    "counts too large": (["--config.verify.counts=16"], r"are all more than the 6 pictures"),
    "style missing": (["--config.verify.style=none.png"], r"none\.png does not exist"),
    "contents missing": (["--config.verify.contents=none"], r"none does not exist"),
    "region": (["--config.dataset=sky={root}/soft"], r"names the region sky, and verify asks"),
    "too few pictures": (["--config.dataset={root}/soft/a.png"], r"holds 1 pictures; three"),
    "original missing": (["--config.dataset.originals={root}"], r"no photographs named a"),
    "subset": (["--config.dataset.size=3"], r"config\.dataset\.size is not for verify"),
    "masks": (["--config.content.masks=a=b.png"], r"config\.content\.masks is not for verify"),
    "kept colors": (
        ["--config.content.original_colors=match"],
        r"config\.content\.original_colors is not for verify",
    ),
    "debias": (["--config.style.debias=true"], r"config\.style\.debias is not for verify"),
    "two alphas": (["--config.alpha=1,2"], r"config\.alpha has 2 numbers; verify takes one"),
}


@pytest.mark.parametrize("name", BAD)
def test_verify_refuses_before_anything_is_written(command, folders, tmp_path, capsys, name):
    more, reason = BAD[name]
    line = words(folders, *(word.format(root=folders) for word in more))
    assert command(verify, [*line, f"--workdir={tmp_path}/run"]) == 2
    error = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert len(error) == 1
    assert re.search(reason, error[0]), error[0]
    assert not (tmp_path / "run").exists()


@pytest.fixture
def narrow(tmp_path):
    """A folder of six scenes that are four times as wide as high."""
    for scene in "abcdef":
        noise = np.random.default_rng(ord(scene)).integers(0, 256, (6, 24, 3), np.uint8)
        (tmp_path / "narrow").mkdir(exist_ok=True)
        Image.fromarray(noise).resize((240, 60)).save(tmp_path / f"narrow/{scene}.png")
    return tmp_path / "narrow"


def test_mosaic_refuses_pictures_that_are_smaller_than_a_patch(command, folders, narrow, capsys):
    line = words(folders, f"--config.dataset={narrow}", "--config.verify.questions=mosaic")
    line = [*line, "--config.resolution=16", f"--workdir={narrow}/run"]
    assert command(verify, line) == 2
    message = "narrow/a.png is seen at 32x8 pixels, and patches take 12 each way; crop it, or raise"
    assert message in capsys.readouterr().err


def test_which_filter_refuses_originals_that_are_too_narrow(command, folders, narrow, capsys):
    names = [f"{name}={folders}/{name}" for name in FILTERS]
    line = [*SMALL, f"--config.verify.filters={','.join(names)}", f"--workdir={narrow}/run"]
    line += [f"--config.dataset.originals={narrow}", "--config.verify.questions=which_filter"]
    line += ["--config.resolution=16", "--config.style.layers=relu5_1"]
    assert command(verify, line) == 2
    assert "6 of 6 images are too narrow for relu5_1 at 16 px" in capsys.readouterr().err


def test_verify_refuses_the_same_picture_twice(command, folders, tmp_path, capsys):
    (tmp_path / "twice").mkdir()
    for name in ("a", "b", "c"):
        source = folders / "soft" / f"{'a' if name == 'b' else name}.png"
        (tmp_path / "twice" / f"{name}.png").write_bytes(source.read_bytes())
    line = words(folders, f"--config.dataset={tmp_path}/twice")
    assert command(verify, [*line, f"--workdir={tmp_path}/run"]) == 2
    assert "b.png and a.png are the same file" in capsys.readouterr().err


def test_known_style_is_nearer_than_the_pictures_that_were_made_with_it(tmp_path):
    line = [
        *ALIKE,
        "--config.verify.questions=known_style",
        "--config.steps=60",
        "--config.verify.steps=20",
        "--config.verify.counts=1,3",
        f"--workdir={tmp_path}/run",
    ]
    assert verify.execute(cli.parse("verify", line)) == 0
    for statistic in ("gram", "correlation"):
        found = answer(tmp_path / "run", "known_style")["totals"][statistic]
        learned, floor = found["learned"][-1], found["floor"][0]
        assert (
            floor < learned < min(np.mean(found["single"]), *found["pixel_mean"], *found["noise"])
        )
        assert learned < found["learned"][0]  # three pictures say more than one
