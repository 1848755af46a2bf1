"""Style files added, interpolated and taken out of each other."""

from dataclasses import replace

import numpy as np
import pytest
from permissions import locked

from experiments import merge
from styleinv import style_file
from styleinv.errors import InputError
from styleinv.style import Moments, Spread, Style, unknown
from styleinv.style import merge as merge_styles
from styleinv.style_file import Origin

LAYERS = {"pixels": 3, "relu1_1": 64}
ORIGIN = Origin("vgg19", "f00d", "average", "replicate", "all")


def of_images(seeds, layers=LAYERS):
    """The style of images that never were."""
    zero, styles = np.zeros(()), []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        moments = {}
        for layer, channels in layers.items():
            rows = np.abs(generator.normal(0, 3, (200, channels)))
            nothing = Spread(zero, zero, zero)
            moments[layer] = Moments(np.ones(()), rows.mean(0), rows.T @ rows / 200, nothing)
        styles.append(Style(16, moments))
    return merge_styles(*styles)


def origin_of(seeds):
    images = [{"name": f"{k}.png", "sha256": f"{k:x}", "weight": 1 / len(seeds)} for k in seeds]
    return replace(ORIGIN, images=tuple(images))


@pytest.fixture
def save(tmp_path):
    """A function: name, seeds of its images, changes of its origin -> the file's path."""

    def write(name, seeds, style=None, **changes):
        path = tmp_path / f"{name}.safetensors"
        origin = replace(origin_of(seeds), **changes)
        style_file.save(path, {16: style or of_images(seeds)}, origin)
        return str(path)

    return write


def merged(tmp_path, *words):
    out = tmp_path / "out.safetensors"
    merge.execute(merge.parse([*words, f"--out={out}"]))
    styles, origin = style_file.load(out)
    return styles[16], {image["name"]: image["weight"] for image in origin.images}


def assert_close(actual, desired, tolerance):
    """Relative to the largest value, and spreads to the squares."""
    for layer, moments in desired.moments.items():
        found = actual.moments[layer]
        for a, d in zip(found[1:3], moments[1:3], strict=True):
            np.testing.assert_allclose(a, d, rtol=0, atol=tolerance * np.max(d))
        atol = 2 * tolerance * (np.asarray(moments.second, np.float64) ** 2).sum()
        np.testing.assert_allclose(found.spread, moments.spread, rtol=0, atol=atol)


def test_parts_weighted_by_their_images_add_up_to_the_whole(save, tmp_path):
    a, b = save("a", [1, 2]), save("b", [3, 4, 5])
    style, images = merged(tmp_path, a, b, "--weights=2,3")
    assert_close(style, of_images([1, 2, 3, 4, 5]), 1e-6)
    assert images == pytest.approx({f"{k}.png": 0.2 for k in (1, 2, 3, 4, 5)})


def test_styles_are_interpolated(save, tmp_path):
    style, images = merged(tmp_path, save("a", [1]), save("b", [2]), "--weights=0.75,0.25")
    assert_close(style, of_images([1, 1, 1, 2]), 1e-6)
    assert images == pytest.approx({"1.png": 0.75, "2.png": 0.25})


def test_what_was_merged_can_be_taken_out_again(save, tmp_path):
    both, b = save("both", [1, 2, 3]), save("b", [3])
    style, images = merged(tmp_path, both, b, "--weights=3,-1")
    assert_close(style, of_images([1, 2]), 1e-6)
    assert images == pytest.approx({"1.png": 0.5, "2.png": 0.5})


def test_without_weights_all_count_alike_and_one_file_stays_as_it_is(save, tmp_path):
    a = save("a", [1])
    style, _ = merged(tmp_path, a)
    assert_close(style, of_images([1]), 1e-7)
    assert style.moments["pixels"].spread == (0, 0, 0)
    (tmp_path / "out.safetensors").unlink()
    style, _ = merged(tmp_path, a, save("b", [2]))
    assert_close(style, of_images([1, 2]), 1e-6)


def test_parts_alike_have_no_spread(save, tmp_path):
    style, _ = merged(tmp_path, save("a", [1]), save("b", [1]), "--weights=0.1,0.7")
    assert [moments.spread for moments in style.moments.values()] == 2 * [(0, 0, 0)]


def test_what_one_part_does_not_know_comes_from_the_others(save, tmp_path):
    one = of_images([1])
    shallow = Style(16, dict(one.moments) | {"relu1_1": unknown(64)})
    a = save("a", [1], shallow, region="sky")
    style, _ = merged(tmp_path, a, save("b", [2], region="sky"), "--weights=3,1")
    np.testing.assert_array_equal(
        style.moments["relu1_1"].mean, np.float32(of_images([2]).moments["relu1_1"].mean)
    )


def of_partly_known(seeds):
    """Of even images, only the pixels are known."""
    hidden = {"relu1_1": unknown(64)}
    ones = [(seed, of_images([seed])) for seed in seeds]
    return merge_styles(
        *(one if seed % 2 else Style(16, dict(one.moments) | hidden) for seed, one in ones)
    )


def test_layers_that_only_some_images_know_count_as_in_one_pass(save, tmp_path):
    every = {"a": [1, 2, 4], "b": [3, 5], "c": [1, 2, 3, 4, 5]}
    a, b, c = (save(k, seeds, of_partly_known(seeds)) for k, seeds in every.items())
    for words, seeds in [
        ((a, b, "--weights=3,2"), every["c"]),
        ((c, b, "--weights=5,-2"), every["a"]),
        ((c, a, "--weights=5,-3"), every["b"]),
        ((a, save("one", [1]), "--weights=3,-1"), [2, 4]),
    ]:
        style, _ = merged(tmp_path, *words)
        assert_close(style, of_partly_known(seeds), 1e-6)
        odd = sum(seed % 2 for seed in seeds)
        assert style.moments["relu1_1"].weight == pytest.approx(odd / len(seeds))
        (tmp_path / "out.safetensors").unlink()


def test_what_is_no_style_is_refused(save, tmp_path):
    a, b = save("a", [1]), save("b", [1], of_images([3]))
    for weights, what in (("3,-2", "variance"), ("10,-1", "spread")):
        message = rf"what is left has a negative {what} of -.* at 16 px: what is taken out"
        with pytest.raises(InputError, match=message):
            merged(tmp_path, a, b, f"--weights={weights}")
        assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("weights", "image"), [("10,-1,0", "2.png"), ("6,0,-1.5", "3.png"), ("2,-2,1", "2.png")]
)
def test_more_of_a_picture_than_is_there_is_not_taken_out(save, tmp_path, weights, image):
    files = [save("a", [1]), save("b", [2]), save("c", [3])]
    message = rf"--weights take out more of {image} than is in .*a\.safetensors"
    with pytest.raises(InputError, match=message):
        merged(tmp_path, *files, f"--weights={weights}")
    assert not (tmp_path / "out.safetensors").exists()


def test_pictures_too_many_to_be_named_may_be_taken_out(save, tmp_path):
    many = [({"count": count, "sha256": f"{count}"},) for count in (30_000, 20_000)]
    both, b = save("both", [1, 2, 3], images=many[0]), save("b", [3], images=many[1])
    out = tmp_path / "out.safetensors"
    merge.execute(merge.parse([both, b, "--weights=3,-1", f"--out={out}"]))
    assert_close(style_file.load(out)[0][16], of_images([1, 2]), 1e-6)


def test_a_layer_from_which_more_is_taken_than_is_there_is_refused(save, tmp_path):
    shallow = Style(16, dict(of_images([1]).moments) | {"relu1_1": unknown(64)})
    a, b = save("a", [1], shallow), save("b", [1])
    message = r"a\.safetensors and .*b\.safetensors sum to -1 for relu1_1 at 16 px; they must be"
    with pytest.raises(InputError, match=message):
        merged(tmp_path, a, b, "--weights=300,-1")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_mean_that_no_features_could_have_is_refused(save, tmp_path):
    one = of_images([1]).moments
    other = {k: m._replace(mean=-m.mean, second=0.1 * m.second) for k, m in one.items()}
    a, b = save("a", [1, 2], of_images([1])), save("b", [2], Style(16, other))
    with pytest.raises(InputError, match="negative variance"):
        merged(tmp_path, a, b, "--weights=2,-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "vgg16"},
        {"weights": "beef"},
        {"pooling": "max"},
        {"padding": "zeros"},
        {"region": "sky"},
    ],
)
def test_styles_measured_otherwise_are_refused(save, tmp_path, changes):
    ((field, value),) = changes.items()
    here = getattr(ORIGIN, field)
    message = rf"a\.safetensors was measured with {field} {here}, and .*b\.safetensors with {value}"
    with pytest.raises(InputError, match=message):
        merged(tmp_path, save("a", [1]), save("b", [2], **changes))


def test_styles_of_other_layers_resolutions_or_propagation_are_refused(save, tmp_path):
    a = save("a", [1], region="sky")
    b = save("b", [2], of_images([2], {"pixels": 3}), region="sky")
    with pytest.raises(InputError, match=r"with layers pixels, relu1_1, and .* with pixels; meas"):
        merged(tmp_path, a, b)
    b = save("b", [2], region="sky", propagation="inside")
    with pytest.raises(InputError, match=r"with propagation soft, and .* with inside; measure"):
        merged(tmp_path, a, b)
    style_file.save(tmp_path / "c.safetensors", {32: of_images([1])}, ORIGIN)
    with pytest.raises(InputError, match=r"with resolutions 16, and .* with 32; measure both"):
        merged(tmp_path, save("a", [1]), str(tmp_path / "c.safetensors"))


def test_a_file_is_never_written_over(save, tmp_path):
    a = save("a", [1])
    (tmp_path / "out.safetensors").write_text("mine")
    with pytest.raises(InputError, match=r"out\.safetensors exists already; name another file"):
        merged(tmp_path, a)
    assert (tmp_path / "out.safetensors").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "reason"), [("locked/a", "Permission denied"), ("a" * 480, "File name too long")]
)
def test_a_file_that_cannot_be_looked_for_is_refused(tmp_path, name, reason):
    (tmp_path / "locked").mkdir()
    asked = merge.parse(["a", f"--out={tmp_path}/{name}.safetensors"])
    message = f"a.safetensors cannot be read: {reason}"
    with locked(tmp_path / "locked"), pytest.raises(InputError, match=message):
        merge.execute(asked)


def test_the_file_may_be_in_the_home_of_the_user(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    out = merge.parse(["a", "--out=~/a.safetensors"]).out
    assert str(out) == "/home/me/a.safetensors"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"there is nothing to merge"),
        (["a"], r"--out=FILE is missing"),
        (["a", "--out="], r"--out has no value"),
        (["a", "--wieghts=1"], r"--wieghts is no flag; did you mean weights\?"),
        (["a", "b", "--weights=1", "--out=c"], r"--weights has 1 numbers for 2 files"),
        (["a", "--weights=x", "--out=c"], r"--weights has 'x', which is not a number"),
        (["a", "--weights=nan", "--out=c"], r"--weights has 'nan', which is not a number"),
        (["a", "--weights=0", "--out=c"], r"--weights sum to 0; give numbers that sum to more"),
        (["a", "b", "--weights=0,0", "--out=c"], r"--weights sum to 0; give numbers that sum"),
        (["a", "b", "--weights=1,-2", "--out=c"], r"--weights sum to -1; give numbers that sum"),
        (["a", "b", "--weights=1e308,1e308", "--out=c"], r"--weights are too large to be added"),
        (["a", "b", "--weights=1,-0.9999999", "--out=c"], r"--weights sum to 1e-07; give numbers"),
        (["a", "--out=c"], r"--out \(=c\) is no name of a style file; add \.safetensors"),
        (["a", "--out=c.png"], r"--out \(=c\.png\) is no name of a style file; add \.safet"),
    ],
)
def test_parse_refuses(words, message):
    with pytest.raises(InputError, match=message):
        merge.parse(words)
