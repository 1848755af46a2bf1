"""The grid of a sweep: its syntax, the names of its fields, and the folders of its cells."""

import pytest

from experiments import cli
from experiments.sweeps import grid
from experiments.sweeps.grid import Axis
from styleinv.config import Config
from styleinv.errors import InputError


def fields_of(text):
    return grid.parse([text])[0].fields


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("dataset.size=1,2,4", ("1", "2", "4")),
        ("dataset.size= 1 , 2", ("1", "2")),
        ("region=none,sky,sky+ground", ("all", "sky", "sky,ground")),
        ("steps=40+40,80", ("40,40", "80")),
        ("style=a.jpg,sky=b+c.jpg", ("a.jpg", "sky=b+c.jpg")),
        ("style=none", ("none",)),
        (r"style=a.jpg\,b.jpg,c\;d", ("a.jpg,b.jpg", "c;d")),
    ],
)
def test_parse_axis_has_the_values(text, values):
    (axis,) = grid.parse([text])
    assert axis.values == tuple((value,) for value in values)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("seed", "seeds"),
        ("seeds", "seeds"),
        ("dataset.seed", "dataset.seed"),
        ("region", "dataset.region"),
        ("config.tv", "tv"),
        ("resolution", "resolution"),
        ("statistic", "style.statistic"),
        ("style", "dataset.path"),
        ("content", "content.path"),
        ("config.content", "content.path"),
    ],
)
def test_parse_field_has_short_names(name, field):
    assert fields_of(f"{name}=x") == (field,)


def test_short_is_a_name_that_parse_takes_for_every_field():
    for full, *_ in cli.fields(Config()):
        field = full.removeprefix("config.")
        assert fields_of(f"{grid.short(field)}=x") == (field,)


def test_parse_fields_in_step_are_one_axis():
    actual = grid.parse(["steps=40+40,80+80;resolution=128,256"])
    assert actual == [
        Axis(("steps", "resolution"), (("40,40", "128"), ("80,80", "256"))),
    ]


def test_points_cross_the_axes_with_the_last_one_fastest():
    axes = grid.parse(["size=1,2", "steps=4,8;resolution=32,64"])
    actual = [tuple(point.values.values()) for point in grid.points(axes)]
    assert actual == [("1", "4", "32"), ("1", "8", "64"), ("2", "4", "32"), ("2", "8", "64")]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["dataset.sise=1"], r"dataset.sise is not a field; did you mean dataset.size\?"),
        (["layers=relu1_1"], "layers may be style.layers or content.layers; write one of them"),
        (["network=a"], "network is a group of fields; name one of them"),
        (["seed"], "--grid=seed has no values; write --grid='FIELD=1,2,3'"),
        (["seed="], "--grid=seed= has no values"),
        (["seed=0,,1"], "--grid=seed=0,,1 has an empty value"),
        (["seed=0,1,0"], "--grid=seed=0,1,0 has the value 0 twice"),
        (["seed=0;seed=1"], "has seeds twice"),
        (["seed=0", "seeds=1"], "--grid has seeds twice; give all its values in one axis"),
        (["size=1,2;tv=1"], "in step, but dataset.size has 2, tv has 1 values; give each as many"),
    ],
)
def test_parse_says_what_is_wrong(texts, message):
    with pytest.raises(InputError, match=message):
        grid.parse(texts)


def test_parse_finds_the_one_value_of_very_many_that_comes_twice():
    many = ",".join(map(str, range(20_000)))
    assert len(grid.parse([f"seed={many}"])[0].values) == 20_000
    with pytest.raises(InputError, match="has the value 7 twice"):
        grid.parse([f"seed={many},7"])


def slugs(*texts):
    return [point.slug for point in grid.points(grid.parse(texts))]


def test_slug_is_readable_and_does_not_depend_on_the_other_values():
    assert slugs("size=4", "region=none,sky", "steps=40+40") == [
        "size-4_region-all_steps-40+40",
        "size-4_region-sky_steps-40+40",
    ]
    assert set(slugs("size=1,2")) < set(slugs("size=4,2,1"))


def test_slug_tells_a_plus_from_a_comma():
    assert len(set(slugs(r"dataset=a.png\,b.png,a.png\+b.png"))) == 2
    assert len(set(slugs(r"dataset=x/a.png\,b.png,x/a.png\+b.png"))) == 2


def test_slug_is_a_folder_name_and_its_own_whatever_the_values():
    long = "x" * 300
    found = slugs(f"style=a/b,a b,a-b,../c,{long},{long}y")
    assert len(set(found)) == 6
    assert all("/" not in slug and len(slug) < 120 for slug in found)
    assert found[2] == "dataset.path-a-b"
    assert found[3].startswith("dataset.path-c_")
