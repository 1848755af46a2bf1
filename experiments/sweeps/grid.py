"""The grid of a sweep: from what --grid says to axes, and from these to cells.

--grid='dataset.size=1,2,4'                      an axis of three values
--grid='steps=40+40,80+80;resolution=128,256'    two fields that go in step
"""

import collections
import functools
import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, get_origin

from experiments import cli
from styleinv.config import Config
from styleinv.errors import InputError, suggest

HELP = """an axis of the grid; several are crossed, each value with each:
  --grid='dataset.size=1,2,4' --grid='region=none,sky'
fields joined by ; go in step:
  --grid='steps=40+40,80+80;resolution=128,256'
FIELD is one of the fields below, or its last part where no other
field ends so; seed is short for seeds, region for dataset.region,
and the region none for all. + joins the elements of a list. A
comma, plus or semicolon of a value's own has a \\ before it."""

_ALIASES = {"seed": "config.seeds", "region": "config.dataset.region"}
_LONGEST = 100  # letters of a folder's name


class Axis(NamedTuple):
    """Fields that go in step.

    Attributes:
        fields: dotted names, without `config.`.
        values: for each position, the text of each field as on a command line.
    """

    fields: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


class Point(NamedTuple):
    """A cell's place in the grid: {field: text as on a command line}."""

    values: dict[str, str]

    @property
    def slug(self) -> str:
        """A folder's name that says what differs, and is this point's alone."""
        pairs = [(short(field), text) for field, text in self.values.items()]
        plain = "_".join(f"{name}-{text}" for name, text in pairs)
        ends = "_".join(f"{name}-{text.rpartition('/')[2]}" for name, text in pairs)
        ends = ends.replace(",", "+")
        clean = re.sub(r"[^\w.+-]+", "-", ends, flags=re.ASCII)[:_LONGEST]
        if clean.replace("+", ",") == plain:  # a plus of a value's own is not told from a comma
            return clean
        return f"{clean}_{hashlib.sha256(plain.encode()).hexdigest()[:8]}"

    @property
    def words(self) -> list[str]:
        """Of a command line."""
        return [f"--config.{field}={text}" for field, text in self.values.items()]


def parse(texts: Sequence[str]) -> list[Axis]:
    """The axes of all --grid flags.

    Raises:
        InputError: for a field that is none or that is there twice, or values that do not fit.
    """
    axes = [_axis(text) for text in texts]
    fields = [field for axis in axes for field in axis.fields]
    for field in fields:
        if fields.count(field) > 1:
            raise InputError(f"--grid has {field} twice; give all its values in one axis")
    return axes


def points(axes: Sequence[Axis]) -> Iterator[Point]:
    """Every value of every axis with every other; the last axis goes round fastest."""
    for chosen in itertools.product(*(axis.values for axis in axes)):
        pairs = [
            zip(axis.fields, texts, strict=True) for axis, texts in zip(axes, chosen, strict=True)
        ]
        yield Point(dict(itertools.chain(*pairs)))


def short(field: str) -> str:
    """The shortest name that --grid takes for a field."""
    full = f"config.{field}"
    if full in _ALIASES.values():
        return next(alias for alias, one in _ALIASES.items() if one == full)
    last = field.rpartition(".")[2]
    return last if len(_ending_in(last)) == 1 and _field(last) == field else field


def _axis(text: str) -> Axis:
    columns = {}
    for part in _split(text, ";"):
        name, equals, values = part.strip().partition("=")
        if not equals or not values:
            raise InputError(f"--grid={text} has no values; write --grid='FIELD=1,2,3'")
        field = _field(name)
        if field in columns:
            raise InputError(f"--grid={text} has {field} twice")
        columns[field] = tuple(_value(field, value) for value in _split(values, ","))
        if "" in columns[field]:
            raise InputError(f"--grid={text} has an empty value")
    sizes = {field: len(values) for field, values in columns.items()}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{field} has {size}" for field, size in sizes.items())
        raise InputError(f"--grid={text} goes in step, but {counts} values; give each as many")
    axis = Axis(tuple(columns), tuple(zip(*columns.values(), strict=True)))
    value, times = collections.Counter(axis.values).most_common(1)[0]
    if times > 1:
        raise InputError(f"--grid={text} has the value {' / '.join(value)} twice")
    return axis


def _value(field: str, text: str) -> str:
    text = text.strip()
    if field == "dataset.region" and text == "none":
        return "all"
    if _is_list(field):
        return ",".join(_plain(part) for part in _split(text, "+"))
    return _plain(text)


def _is_list(field: str) -> bool:
    return get_origin(_kinds()[field]) is tuple


@functools.cache
def _kinds() -> dict[str, type]:
    """{field, without `config.`: its type}."""
    return {name.removeprefix("config."): kind for name, _, kind, _ in cli.fields(Config())}


def _field(name: str) -> str:
    known = [f"config.{field}" for field in _kinds()]
    full = f"config.{name.removeprefix('config.')}"
    full = _ALIASES.get(name) or cli.SHORT.get(full, full)
    if full not in known:
        ending = _ending_in(name)
        if len(ending) > 1:
            raise InputError(f"--grid: {name} may be {' or '.join(ending)}; write one of them")
        if any(field.startswith(full + ".") for field in known):
            raise InputError(f"--grid: {name} is a group of fields; name one of them")
        if not ending:
            guess = suggest(full, [*known, *_ALIASES], "config.")
            raise InputError(f"--grid: {name} is not a field; {guess.replace('config.', '')}")
        full = f"config.{ending[0]}"
    return full.removeprefix("config.")


def _ending_in(last: str) -> list[str]:
    return [name for name in _kinds() if name.rpartition(".")[2] == last]


def _split(text: str, mark: str) -> list[str]:
    return re.split(rf"(?<!\\){re.escape(mark)}", text)


def _plain(text: str) -> str:
    return re.sub(r"\\([,;+])", r"\1", text)
