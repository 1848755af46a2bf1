"""What --grid says."""

import itertools
import json
from pathlib import Path

from hypothesis import strategies as st

from fuzzing.target import REQUEST, Target
from fuzzing.words import VALUES
from fuzzing.worker import request


def target() -> Target:
    """Up to three axes."""
    from experiments import cli
    from styleinv.config import Config

    names = [name for name, *_ in cli.fields(Config())]
    names += [name.removeprefix("config.") for name in names]
    names += ["seed", "region", "path", "weights", "tv", "config", "dataset", "", "layers", "a.b"]
    many = ",".join(map(str, range(20_000)))
    value = st.one_of(st.sampled_from([*VALUES, many, "1+2,3+4", "a\\,b"]), st.text(max_size=9))
    part = st.builds("{}={}".format, st.sampled_from(names), value)
    axis = st.one_of(
        part, part, st.lists(part, min_size=2, max_size=3).map(";".join), st.text(max_size=12)
    )
    axes = st.lists(axis, min_size=1, max_size=3)
    return Target(axes.map(lambda texts: {REQUEST: json.dumps(texts).encode()}), use)


def use(folder: Path) -> None:
    """The first cells of a grid, each with a folder's name and a command line."""
    from experiments import cli
    from experiments.sweeps import grid

    for point in itertools.islice(grid.points(grid.parse(request(folder))), 2):  # type: ignore[arg-type]
        assert 0 < len(point.slug.encode()) < 255
        assert "/" not in point.slug
        assert point.slug not in (".", "..")
        cli.parse("learn_style", ["--config=anime", *point.words])
