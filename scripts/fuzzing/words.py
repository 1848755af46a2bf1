"""Words of a command line."""

import json
from pathlib import Path

from hypothesis import strategies as st

from fuzzing.target import REQUEST, Target
from fuzzing.worker import request

VALUES = ["1", "0", "-1", "1,2,3", "0.5", "1e999", "nan", "inf", "-inf", "true", "False", "1e308"]
VALUES += ["none", "all", "(1,2)", "(1,", "[1]", "{}", "()", ",", "1,,2", "1;2", "'", '"a"', "\\"]
VALUES += ["9" * 400, "9" * 5000, "0x10", "1_000", "1j", "relu1_1", "relu9_9", "rest,sky", "sky=a#"]
VALUES += ["(" * 300 + ")" * 300, "-" * 3000 + "1", "1," * 3000, "__import__('os')", "f()", "\0"]
VALUES += ["*", "lambda: 1", "1if 1else", "#", "a=b", "\n", "../x", "/dev/zero", "x" * 9000]
_FLAGS = ["--workdir", "--config", "--help", "--flagfile", "--undefok", "--v", "-config", "config"]
_CONFIGS = ["anime", "transfer", "verify", "anime", "anime", "../x", "__init__", "os", "anime:1"]


def target() -> Target:
    """Up to five words; most fields are real, most values are not."""
    import experiments.validate  # noqa: F401  # heavy, and no part of what is measured
    import styleinv.vgg  # noqa: F401  # nor is this
    from experiments import cli
    from styleinv.config import Config

    known = list(cli.fields(Config()))
    fields = [f"--{name}" for name in [*(name for name, *_ in known), *cli.SHORT]]
    flag = st.one_of(st.sampled_from(fields), st.sampled_from(fields), st.sampled_from(_FLAGS))
    value = st.one_of(
        st.sampled_from(["1", "0.5", "true", "1,2", "a"]),
        st.sampled_from(VALUES),
        st.text(max_size=12),
        st.floats().map(str),
    )
    word = st.builds("{}={}".format, flag, value)
    shown = st.sampled_from([f"--{name}={_shown(default)}" for name, default, *_ in known])
    word = st.one_of(word, word, shown, shown, st.text(max_size=12), flag)
    config = st.sampled_from(_CONFIGS).map("--config={}".format)
    words = st.builds(lambda first, rest: [first, *rest], config, st.lists(word, max_size=4))
    return Target(words.map(lambda some: {REQUEST: json.dumps(some).encode()}), use)


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def use(folder: Path) -> None:
    """A command line, up to where files are read."""
    from experiments import cli
    from experiments.validate import validate

    validate(cli.parse("learn_style", request(folder)).config)  # type: ignore[arg-type]
