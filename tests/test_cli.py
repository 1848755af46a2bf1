"""The command line: help, configs, flags and what is answered to a slip of the finger."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import cli
from styleinv.config import Config, Dataset, Optimizer, Style
from styleinv.errors import InputError

ROOT = Path(cli.__file__).parents[1]
HEAVY = {"jax", "jaxlib", "flax", "numpy", "PIL", "matplotlib", "orbax", "safetensors", "rich"}


def parse(*words):
    return cli.parse("learn_style", ["--config=anime", *words])


def python(*words):
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def help_run():
    """`--help` in a process of its own, with every module that it imported on standard error."""
    return python("-X", "importtime", "-m", "experiments.learn_style", "--help")


def test_help_lists_every_config_and_every_field(help_run):
    assert help_run.returncode == 0
    listed = {line.split()[0] for line in help_run.stdout.splitlines() if line.strip()}
    files = {path.stem for path in (ROOT / "configs").glob("*.py")} - {"__init__"}
    assert files <= listed
    assert set(cli.config_names()) == files
    for name, value, *_ in cli.fields(Config()):
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert f"--{name}={shown}" in listed
    assert "--workdir=FOLDER" in listed


def test_help_says_something_of_every_config_and_field(help_run):
    lines = [line for line in help_run.stdout.splitlines() if line.startswith("  ")]
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)
    assert all(comment for *_, comment in cli.fields(Config()))


def test_help_imports_nothing_heavy(help_run):
    lines = [line for line in help_run.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}
    assert "experiments" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize("word", ["--help", "-h", "-help", "--helpfull"])
def test_run_prints_help_for_every_spelling(monkeypatch, capsys, word):
    monkeypatch.setattr(sys, "argv", ["learn_style", "--config=anime", word])
    with pytest.raises(SystemExit) as caught:
        cli.run("learn_style", "What it does.", lambda request: pytest.fail("was executed"))
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("What it does.\n")


def test_a_mistake_is_answered_without_anything_heavy():
    words = ["--config=anime", "--config.stepz=1"]
    code = (
        "import sys; from experiments import cli, learn_style\n"
        f"sys.argv[1:] = {words}\n"
        "try: cli.run('learn_style', '', learn_style.execute)\n"
        f"finally: print(*({HEAVY} & sys.modules.keys()))"
    )
    answer = python("-c", code)
    assert answer.returncode == 2
    assert answer.stdout.strip() == ""
    assert answer.stderr.startswith("error: --config.stepz is not a field; did you mean config.st")
    assert answer.stderr.count("\n") == 1


def test_parse_gives_the_config_of_that_name():
    request = cli.parse("learn_style", ["--config=anime"])
    assert request.config == cli.config_by_name("anime")
    assert (request.name, request.workdir) == ("anime", None)
    assert request.command == "python -m experiments.learn_style --config=anime"


@pytest.mark.parametrize(
    ("word", "desired"),
    [
        ("--config.resolution=128", Config(resolution=128)),
        ("--config.tv=2", Config(tv=2.0)),
        ("--config.tv=1e-3", Config(tv=0.001)),
        ("--config.tensorboard=true", Config(tensorboard=True)),
        ("--config.tensorboard=False", Config(tensorboard=False)),
        ("--config.steps=7", Config(steps=(7,))),
        ("--config.steps=7,", Config(steps=(7,))),
        ("--config.steps=7,8,9", Config(steps=(7, 8, 9))),
        ("--config.steps=(7, 8)", Config(steps=(7, 8))),
        ("--config.seeds=0,1", Config(seeds=(0, 1))),
        ("--config.snapshots=()", Config(snapshots=())),
        ("--config.dataset.path=a b/c=d", Config(dataset=Dataset(path="a b/c=d"))),
        ("--config.dataset.path=12", Config(dataset=Dataset(path="12"))),
        ("--config.dataset.weights=1,0.5", Config(dataset=Dataset(weights=(1.0, 0.5)))),
        ("--config.style.layers=relu1_1", Config(style=Style(layers=("relu1_1",)))),
        (
            "--config.style.layers=relu1_1,relu2_1",
            Config(style=Style(layers=("relu1_1", "relu2_1"))),
        ),
        (
            "--config.style.layers=relu1_1, relu2_1",
            Config(style=Style(layers=("relu1_1", "relu2_1"))),
        ),
        ("--config.style.layer_factors=1,2", Config(style=Style(layer_factors=(1.0, 2.0)))),
        ("--config.optimizer.learning_rate=1", Config(optimizer=Optimizer(learning_rate=1.0))),
    ],
)
def test_parse_reads_values_by_their_types(word, desired):
    base = cli.config_by_name("anime")
    assert base == Config()
    actual = parse(word).config
    assert actual == desired
    for (name, value, *_), (_, default, *_) in zip(
        cli.fields(actual), cli.fields(base), strict=True
    ):
        assert type(value) is type(default), name


def test_parse_of_elements_gives_their_type():
    weights = parse("--config.dataset.weights=1,2").config.dataset.weights
    assert [type(weight) for weight in weights] == [float, float]


def test_parse_lets_the_last_of_two_values_win():
    request = parse("--config.tv=1", "--config.steps=1,2", "--config.tv=2", "--config.steps=3")
    assert (request.config.tv, request.config.steps) == (2, (3,))


def test_parse_takes_flags_in_any_order():
    request = cli.parse("learn_style", ["--config.tv=1", "--workdir=runs/a", "--config=novak2016"])
    assert (request.config.tv, request.config.style.statistic) == (1, "shifted_gram")
    assert request.workdir == Path("runs/a")


@pytest.mark.parametrize(
    ("word", "desired"),
    [
        ("--workdir=~/look", "--workdir=/home/me/look"),
        ("--workdir=~", "--workdir=/home/me"),
        ("--config.dataset=~/a.png, ~/b.png", "--config.dataset=/home/me/a.png, /home/me/b.png"),
        ("--config.style=sky=~/a.png,rest=b", "--config.style=sky=/home/me/a.png,rest=b"),
        ("--config.content.masks=~/m.png#ff0000", "--config.content.masks=/home/me/m.png#ff0000"),
        ("--config.start.image=~no-such-user/a.png", "--config.start.image=~no-such-user/a.png"),
        ("--config.start.image=a~/b~.png", "--config.start.image=a~/b~.png"),
    ],
)
def test_parse_knows_the_home_of_the_user(monkeypatch, word, desired):
    monkeypatch.setenv("HOME", "/home/me")
    assert parse(word) == parse(desired)


def test_parse_quotes_the_command():
    command = parse("--config.dataset.path=my pictures").command
    assert command.endswith("'--config.dataset.path=my pictures'")


def test_parse_does_not_change_the_next_config():
    parse("--config.dataset.size=3")
    assert parse().config == replace(Config())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"--config=NAME is missing; configs are anime, .*, novak2016"),
        (["--config=anme"], r"--config \(=anme\) is not known; did you mean anime\? options are"),
        (["--config=../anime"], r"--config \(=\.\./anime\) is not known"),
        (["--config=__init__"], r"--config \(=__init__\) is not known"),
        (["--config=anime", "--config=anime"], r"--config is given 2 times; give it once"),
        (["--config=anime", "--config.stepz=1"], r"stepz is not a field; did you mean config\.st"),
        (["--config=anime", "--config.dataset.sise=1"], r"did you mean config\.dataset\.size\?"),
        (["--config=anime", "--config.network=1"], r"--config\.network is a group of fields; set"),
        (["--config=anime", "--confg.tv=1"], r"--confg\.tv is no flag; did you mean config\?"),
        (["--config=anime", "--workdri=a"], r"--workdri is no flag; did you mean workdir\?"),
        (["--config=anime", "--noconfig.tensorboard"], r"--noconfig\.tensorboard is no flag"),
        (["--config=anime", "steps=3"], r"'steps=3' is no flag; flags begin with --, see --help"),
        (["--config=anime", "--"], r"-- is no flag"),
        (["--config=anime", "--config.tv"], r"--config\.tv has no value; write --config\.tv=VAL"),
        (["--config=anime", "--config.tv="], r"--config\.tv has no value"),
        (["--config=anime", "--workdir="], r"--workdir has no value; write --workdir=VALUE"),
        (
            ["--config=anime", "--config.dataset=a", "--config.style=b"],
            r"--config\.dataset and --config\.style are both config\.dataset\.path; give one",
        ),
        (
            ["--config=anime", "--config.dataset.path=a", "--config.dataset=b"],
            r"--config\.dataset\.path and --config\.dataset are both config\.dataset\.path",
        ),
        (["--config=anime", "--config.resolution=big"], r"\(=big\) must be a whole number"),
        (["--config=anime", "--config.resolution=1.5"], r"\(=1\.5\) must be a whole number"),
        (["--config=anime", "--config.tv=much"], r"--config\.tv \(=much\) must be a number"),
        (["--config=anime", "--config.tensorboard=maybe"], r"\(=maybe\) must be true or false"),
        (["--config=anime", "--config.steps=1,b"], r"--config\.steps has '1,b', which is not a wh"),
        (["--config=anime", "--config.steps=1.5"], r"--config\.steps has 1\.5, which is not a who"),
        (["--config=anime", "--config.steps=True"], r"--config\.steps has True, which is not a wh"),
        (
            ["--config=anime", "--config.steps=(1,"],
            r"--config\.steps \(=\(1,\) must be a list: 1,2",
        ),
        (
            ["--config=anime", "--config.dataset.weights=a"],
            r"has 'a', which is not a number; write",
        ),
    ],
)
def test_parse_says_what_is_wrong(words, message):
    with pytest.raises(InputError, match=message):
        cli.parse("learn_style", words)


@pytest.mark.parametrize("name", [name for name, *_ in cli.fields(Config())])
def test_parse_knows_a_field_with_a_letter_missing(name):
    with pytest.raises(InputError, match=rf"did you mean {name}\?"):
        parse(f"--{name[:-1]}=1")


def answer(monkeypatch, error):
    def execute(request):
        raise error

    monkeypatch.setattr(sys, "argv", ["learn_style", "--config=anime"])
    with pytest.raises(SystemExit) as caught:
        cli.run("learn_style", "", execute)
    return caught.value.code


def test_run_prints_one_line_whatever_a_file_is_called(monkeypatch, capsys):
    assert answer(monkeypatch, InputError("a\nb\x1b[31m\udcff.png does not exist")) == 2
    assert capsys.readouterr().err == "error: a?b?[31m?.png does not exist\n"


def test_run_says_that_the_disk_is_full(monkeypatch, capsys):
    assert answer(monkeypatch, OSError(28, "No space left on device", "runs/a\n")) == 2
    message = "error: runs/a? cannot be written: No space left on device; make room\n"
    assert capsys.readouterr().err == message


def test_run_keeps_the_traceback_of_a_defect(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["learn_style", "--config=anime"])
    with pytest.raises(ZeroDivisionError):
        cli.run("learn_style", "", lambda request: 1 // 0)


def test_run_answers_an_interruption_by_its_status(monkeypatch):
    assert answer(monkeypatch, KeyboardInterrupt()) == 130


@pytest.mark.parametrize(("returned", "desired"), [(None, 0), (0, 0), (143, 143)])
def test_run_exits_with_what_execute_returns(monkeypatch, returned, desired):
    monkeypatch.setattr(sys, "argv", ["learn_style", "--config=anime"])
    with pytest.raises(SystemExit) as caught:
        cli.run("learn_style", "", lambda request: returned)
    assert caught.value.code == desired
