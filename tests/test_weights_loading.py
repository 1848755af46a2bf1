"""What a name or a path loads, and that it is the network that it says."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import weights_files as files

from styleinv import weights
from styleinv.errors import InputError
from styleinv.weights import layouts, loading, selftest
from styleinv.weights.convolutions import BLOCKS, layers

PREFIX = Path(__file__).parents[2] / "shared/data/vgg_prefix/vgg_normalised_conv3_1.pth"
needs_prefix = pytest.mark.skipif(not PREFIX.exists(), reason="the published file is not here")


@pytest.fixture(scope="session")
def default():
    return weights.load("default")


@pytest.fixture(scope="session")
def noise():
    return weights.load("random")


def shapes(network):
    return {name: (3, 3, *channels) for name, channels in layers(network).items()}


def oihw(kernel):
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def as_features(loaded):
    """The tensors of `loaded` by torchvision's names."""
    names = layouts.LAYOUTS["features"].names(loaded.network)
    tensors = {}
    for conv, kernel in loaded.kernels.items():
        tensors[names[conv][0]] = oihw(kernel)
        tensors[names[conv][1]] = np.array(loaded.biases[conv])
    return tensors


def as_normalised(loaded):
    """The tensors of `loaded` by the names of `normalised`, each filter of another size."""
    names = layouts.LAYOUTS["sequential"].names("vgg19")
    generator = np.random.default_rng(0)
    tensors = {
        "0.weight": np.ascontiguousarray(loaded.matrix.T)[:, :, None, None],
        "0.bias": np.array(loaded.offset),
    }
    before = np.ones(3, np.float32)
    for conv, kernel in loaded.kernels.items():
        scale = generator.uniform(0.01, 10, kernel.shape[-1]).astype(np.float32)
        tensors[names[conv][0]] = oihw(kernel * scale / before[:, None])
        tensors[names[conv][1]] = loaded.biases[conv] * scale
        before = scale
    return tensors


def prefix(loaded, count):
    convs = list(loaded.kernels)[:count]
    kernels = {conv: loaded.kernels[conv] for conv in convs}
    return replace(loaded, kernels=kernels, biases={conv: loaded.biases[conv] for conv in convs})


def test_load_default_gives_the_whole_network(default):
    assert (default.name, default.network, default.family) == ("default", "vgg19", "original")
    assert {name: kernel.shape for name, kernel in default.kernels.items()} == shapes("vgg19")
    assert list(default.kernels) == list(default.biases) == list(shapes("vgg19"))
    arrays = [*default.kernels.values(), *default.biases.values(), default.matrix, default.offset]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert "\n" not in default.credit
    assert "Simonyan" in default.credit


def test_load_default_expects_bgr_of_255_without_the_mean(default):
    rgb = np.array([1.0, 0.5, 0.25], np.float32)
    actual = rgb @ default.matrix + default.offset
    desired = [0.25 * 255 - 103.939, 0.5 * 255 - 116.779, 1.0 * 255 - 123.68]
    np.testing.assert_allclose(actual, desired, rtol=1e-5)


def test_load_default_is_what_was_tried(default):
    (source,) = [source for source in weights.SOURCES if source.name == "default"]
    assert default.digest == source.tensors


def test_loaded_arrays_cannot_be_changed(default):
    with pytest.raises(ValueError, match="read-only"):
        default.kernels["conv1_1"][0] = 0


@needs_prefix
def test_default_and_the_published_normalised_weights_are_one_network(default):
    published = weights.load(str(PREFIX))
    assert list(published.kernels) == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    np.testing.assert_array_equal(published.matrix, default.matrix)
    np.testing.assert_array_equal(published.offset, default.offset)
    for conv, kernel in published.kernels.items():
        # Filters and inputs are rescaled channel by channel, which a slice of 3 x 3 does not see.
        ours = default.kernels[conv].reshape(9, -1).astype(np.float64)
        theirs = kernel.reshape(9, -1).astype(np.float64)
        products = (ours * theirs).sum(0)
        correlation = products / np.sqrt((ours**2).sum(0) * (theirs**2).sum(0))
        assert np.mean(correlation) > 0.9997
        assert np.quantile(correlation, 0.01) > 0.998


@needs_prefix
def test_load_runs_the_self_test_on_a_published_prefix():
    report = selftest.check(weights.load(str(PREFIX)))
    assert list(report.similarity) == ["conv1_1", "conv2_1", "conv3_1"]
    assert min(report.similarity.values()) > 0.9995


@pytest.mark.parametrize("network", sorted(BLOCKS))
def test_load_random_is_seeded_and_keeps_the_scale(network, caplog):
    first, second = weights.load("random", network), weights.load("random", network)
    assert {name: kernel.shape for name, kernel in first.kernels.items()} == shapes(network)
    assert first.digest == second.digest
    for kernel in first.kernels.values():
        np.testing.assert_allclose(np.var(kernel), 2 / (9 * kernel.shape[2]), rtol=0.1)
    assert "the network is untrained" in caplog.text


def test_load_knows_a_file_of_keras(tmp_path, default):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "notop.h5"
    desired = prefix(default, 5)
    with h5py.File(path, "w") as file:
        for name in desired.kernels:
            group = f"block{name[4]}_conv{name[6]}"
            file[f"{group}/{group}_W_1:0"] = desired.kernels[name]
            file[f"{group}/{group}_b_1:0"] = desired.biases[name]
    assert weights.load(str(path)).digest == desired.digest


def test_load_knows_a_file_of_the_normalised_network(tmp_path, default):
    path = files.save_legacy(tmp_path / "normalised.pth", as_normalised(prefix(default, 9)))
    actual = weights.load(str(path))
    assert (actual.name, actual.family) == ("normalised.pth", "original")
    assert min(selftest.check(actual).similarity.values()) > 0.999


def test_assemble_turns_the_matrix_of_the_normalised_network(noise):
    matrix = np.float32([[1, 2, 3], [0, 4, 5], [0, 0, 6]])
    actual = layouts.assemble(
        as_normalised(replace(prefix(noise, 2), matrix=matrix)),
        layout="sequential",
        preprocessing="in the file",
        name="",
        network="vgg19",
        credit="",
        family="",
        where="",
    )
    np.testing.assert_array_equal(actual.matrix, matrix)


@pytest.mark.parametrize("save", [files.save_legacy, files.save_zip])
def test_load_knows_a_file_of_torchvision(tmp_path, noise, save):
    desired = prefix(noise, 8)
    actual = weights.load(str(save(tmp_path / "vgg19.pth", as_features(desired))))
    assert actual.digest == desired.digest
    assert actual.credit == "vgg19.pth, of unknown origin and license"
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    rgb = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(rgb @ actual.matrix + actual.offset, (rgb - mean) / std, rtol=1e-5)


def test_load_knows_a_file_of_torchvision_for_vgg16(tmp_path):
    desired = prefix(weights.load("random", "vgg16"), 8)
    path = tmp_path / "vgg16.safetensors"
    safetensors.numpy.save_file(as_features(desired), path)
    assert weights.load(str(path), "vgg16").digest == desired.digest


def test_load_knows_the_original_under_the_names_of_torchvision(tmp_path, default):
    path = files.save_legacy(tmp_path / "caffe.pth", as_features(prefix(default, 3)))
    actual = weights.load(str(path))
    assert actual.family == "original"
    np.testing.assert_array_equal(actual.matrix, default.matrix)


def test_load_credits_a_file_by_its_digest(tmp_path, noise, monkeypatch):
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(as_features(prefix(noise, 2)), path)
    (timm,) = [source for source in weights.SOURCES if source.name == "timm"]
    known = replace(timm, digest=loading.fetch.file_digest(path, timm))
    monkeypatch.setattr(loading, "SOURCES", (known,))
    assert weights.load(str(path)).credit == timm.credit


def test_load_takes_the_prefix_that_a_file_has(tmp_path, noise):
    path = files.save_legacy(tmp_path / "a.pth", as_features(prefix(noise, 4)))
    assert list(weights.load(str(path)).kernels) == ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]


def test_a_source_that_gives_other_numbers_is_refused(tmp_path, noise, monkeypatch):
    few, path = prefix(noise, 2), tmp_path / "model.safetensors"
    safetensors.numpy.save_file(as_features(few), path)
    monkeypatch.setattr(loading, "layers", lambda network: few.kernels)
    (timm,) = [source for source in weights.SOURCES if source.name == "timm"]
    with pytest.raises(InputError, match="gives other numbers here than where timm was tried"):
        loading._convert(path, replace(timm, tensors=64 * "0"))


def test_digest_does_not_depend_on_the_file_but_on_every_number(tmp_path, noise):
    first = prefix(noise, 2)
    tensors = as_features(first)
    safetensors.numpy.save_file(tensors, tmp_path / "a.safetensors")
    files.save_zip(tmp_path / "a.pth", tensors)
    paths = [tmp_path / "a.safetensors", tmp_path / "a.pth"]
    assert {weights.load(str(path)).digest for path in paths} == {first.digest}
    other = first.offset + np.float32([0, 0, 1e-6])
    assert replace(first, offset=other).digest != first.digest
    assert prefix(noise, 1).digest != first.digest


@pytest.mark.parametrize(
    ("name", "network", "match"),
    [
        ("defualt", "vgg19", r"^config\.network\.weights \(=defualt\) is not a source or a file; "),
        ("defualt", "vgg19", r"; did you mean default\? options are default, keras, "),
        ("nowhere.pth", "vgg19", r"\(=nowhere.pth\) is not a source or a file; options are [^;]*$"),
        ("", "vgg19", r"\(=\) is not a source or a file"),
        ("~no-such-user/a.pth", "vgg19", r"\(=~no-such-user/a\.pth\) is not a source or a file"),
        ("x" * 300, "vgg19", r"\(=x{300}\) is not a source or a file"),
        ("default", "vgg16", r"has no vgg16; sources that have are keras, random, torchvision$"),
        ("default", "vgg13", r"vgg13 is not a network; networks are vgg16, vgg19$"),
    ],
)
def test_load_says_what_there_is(name, network, match):
    with pytest.raises(InputError, match=match):
        weights.load(name, network)


def change(name, value):
    def apply(tensors):
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value(tensors[name])
        return tensors

    return apply


@pytest.mark.parametrize(
    ("apply", "match"),
    [
        (change("features.2.weight", lambda k: k[:9].copy()), r"shape \(9, 64, 3, 3\), not \(64"),
        (change("features.2.weight", lambda k: k.astype(np.uint8)), "holds uint8, which is not"),
        (change("features.2.bias", None), "lacks the tensor features.2.bias"),
        (change("features.2.bias", lambda b: b * np.nan), "features.2.bias .* not finite"),
        (change("features.2.weight", None), "'features.5.weight' does not follow"),
        (change("features.0.weight", None), "is not a VGG: it holds 'features.0.bias', "),
        (change("features.2.weight", lambda k: k * 1e38), "fail the self-test: at conv1_2"),
        (change("features.0.bias", lambda b: b - 1e6), "fail the self-test: at conv1_1, 0.0%"),
    ],
)
def test_load_refuses_another_network(tmp_path, noise, apply, match):
    tensors = apply(as_features(prefix(noise, 3)))
    path = files.save_legacy(tmp_path / "a.pth", tensors)
    with pytest.raises(InputError, match=match) as refusal:
        weights.load(str(path))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("network", "other"), [("vgg16", "vgg19"), ("vgg19", "vgg16")])
def test_load_refuses_one_network_for_the_other(tmp_path, network, other):
    tensors = as_features(prefix(weights.load("random", network), 8))
    path = files.save_legacy(tmp_path / "a.pth", tensors)
    with pytest.raises(InputError, match=f"is not a {other}: .* is it another network?"):
        weights.load(str(path), other)


def swap_layers(loaded):
    kernels = dict(loaded.kernels)
    kernels["conv4_2"], kernels["conv4_3"] = kernels["conv4_3"], kernels["conv4_2"]
    return replace(loaded, kernels=kernels)


def change_kernels(change):
    return lambda loaded: replace(
        loaded, kernels={name: change(kernel) for name, kernel in loaded.kernels.items()}
    )


def change_input(matrix=lambda m: m, offset=lambda o: o):
    return lambda loaded: replace(
        loaded, matrix=matrix(loaded.matrix).copy(), offset=offset(loaded.offset).copy()
    )


@pytest.mark.parametrize(
    "mistake",
    [
        change_input(matrix=lambda m: m[::-1], offset=lambda o: o[::-1]),
        change_input(matrix=lambda m: m[::-1]),
        change_input(offset=lambda o: o[::-1]),
        change_input(offset=lambda o: 0 * o),
        change_input(matrix=lambda m: m / 255, offset=lambda o: 0 * o),
        change_input(matrix=lambda m: m / 255, offset=lambda o: o / 255),
        change_kernels(lambda k: np.swapaxes(k, 0, 1).copy()),
        change_kernels(lambda k: k[::-1, ::-1].copy()),
        swap_layers,
    ],
    ids=[
        "rgb",
        "rgb_of_bgr_mean",
        "rgb_mean",
        "no_mean",
        "unit",
        "unit_mean",
        "transposed",
        "flipped",
        "layers",
    ],
)
def test_selftest_finds(default, mistake):
    whole = mistake is swap_layers
    with pytest.raises(InputError, match="default fail the self-test: the activations of conv"):
        selftest.check(mistake(default if whole else prefix(default, 5)))


def test_selftest_says_what_it_compared(default, noise):
    assert "lowest similarity 0.99" in str(selftest.check(default))
    assert "no fingerprint is stored for random weights" in str(selftest.check(noise))


def test_selftest_convolves_as_its_definition_says():
    generator = np.random.default_rng(0)
    features = generator.standard_normal((5, 6, 2)).astype(np.float32)
    kernel = generator.standard_normal((3, 3, 2, 4)).astype(np.float32)
    padded = np.pad(features.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    desired = [
        [np.einsum("rci,rcio->o", padded[y : y + 3, x : x + 3], kernel) for x in range(6)]
        for y in range(5)
    ]
    np.testing.assert_allclose(selftest._convolve(features, kernel), desired, atol=1e-5)


def test_import_needs_numpy_only():
    heavy = ["h5py", "jax", "rich", "safetensors", "torch"]
    code = f"import sys, styleinv.weights; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


def test_selftest_refuses_what_is_too_large_to_be_compared(noise):
    one = prefix(noise, 1)
    kernels = {name: kernel * np.float32(1e25) for name, kernel in one.kernels.items()}
    with pytest.raises(InputError, match=r"conv1_1 have similarity 0\.000"):
        selftest.check(replace(one, kernels=kernels, family="original"))
