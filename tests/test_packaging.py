"""What pip is told: pyproject.toml, beside the exact versions of requirements*.txt."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def by_name(lines):
    found = [Requirement(line) for line in lines]
    return {one.name.lower().replace("-", "_"): one for one in found}


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_versions_tested_are_those_that_the_package_asks_for(file, wanted):
    lines = (ROOT / file).read_text().splitlines()
    tested = by_name(line for line in lines if line and not line.startswith("#"))
    tested.pop("jaxlib", None)  # comes with jax
    bounds = by_name(wanted)
    assert tested.keys() == bounds.keys()
    for name, one in tested.items():
        [version] = [spec.version for spec in one.specifier]
        assert version in bounds[name].specifier


def test_extras_are_among_what_is_tested():
    extras = dict(PROJECT["optional-dependencies"])
    dev = by_name(extras.pop("dev"))
    for name in ("cuda", "tpu"):
        extras.pop(name)  # another build of jax
    assert {one for lines in extras.values() for one in by_name(lines)} <= dev.keys()
