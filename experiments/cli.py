"""The command line: words to a config, and what is wrong with them.

    --config=NAME  --config.field=value  --workdir=FOLDER  --help

and what an experiment has besides, declared by it as `Flag`s.

Nothing heavy is imported here, so that help and mistakes are answered at once.
"""

import dataclasses
import importlib
import inspect
import os
import re
import shlex
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, get_args, get_type_hints

import configs
from experiments import exits
from styleinv.config import Config
from styleinv.errors import InputError, one_of, suggest

# A group of fields that is given a value passes it to one of its fields, or to another's.
SHORT = {
    "config.content": "config.content.path",
    "config.dataset": "config.dataset.path",
    "config.style": "config.dataset.path",
}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}


class Flag(NamedTuple):
    """A flag that only one experiment has.

    Attributes:
        shown: its value in --help.
        help: a line or more.
        many: whether it may be given more than once.
    """

    name: str
    shown: str
    help: str
    many: bool = False


class Request(NamedTuple):
    """A parsed command line.

    Attributes:
        words: those that the config came from.
        extra: {flag of the experiment's own: its values}.
    """

    config: Config
    name: str
    workdir: Path | None
    command: str
    words: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def run(
    experiment: str,
    title: str,
    execute: Callable[[Request], int | None],
    own: Sequence[Flag] = (),
) -> None:
    """Parses the command line, calls `execute`, exits.

    Args:
        own: flags of the experiment's own.

    Exit status: 0, or what `execute` returns; 2 after one line for an error of the user's.
    """

    def work() -> int | None:
        if any(word in ("--help", "-h", "-help", "--helpfull") for word in sys.argv[1:]):
            print(help_text(experiment, title, own))
            return 0
        request = parse(experiment, sys.argv[1:], own)
        from experiments.compiler import compile_quickly  # --help need not wait for it

        compile_quickly()
        return execute(request)

    exits.answer(work)


def stopped(request: Request, folder: Path, signal: int) -> int:
    """Says how a run that was stopped goes on; the exit status."""
    print(f"stopped; to go on: {again(request, folder)}")
    return 128 + signal


def again(request: Request, folder: Path) -> str:
    """The command that goes on in the folder of a run."""
    return request.command if request.workdir else f"{request.command} --workdir={folder}"


def parse(experiment: str, words: Sequence[str], own: Sequence[Flag] = ()) -> Request:
    """The request in the words of a command line.

    Args:
        own: flags of the experiment's own.

    Raises:
        InputError: for whatever is wrong with them, and what was probably meant.
    """
    from absl import flags
    from ml_collections import config_flags

    given = [at_home(word) for word in words]
    extra, words = _take(given, own)
    words = _in_full(words)
    _check_words(words, [flag.name for flag in own])
    lists = {name for name, _, kind, _ in fields(Config()) if kind == tuple[str, ...]}
    # The last value of a flag counts (ml_collections would add up lists), the config comes first.
    last = {word.partition("=")[0]: _quoted(word, lists) for word in words}
    line = [experiment, *sorted(last.values(), key=lambda word: not word.startswith("--config="))]
    values = flags.FlagValues()
    config_flags.DEFINE_config_dataclass(
        "config", Config(), parse_fn=config_by_name, flag_values=values, sys_argv=line
    )
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    try:
        values(line)
    except flags.IllegalFlagValueError as error:
        raise InputError(_explain(str(error), words)) from None
    except (flags.Error, KeyError, TypeError, ValueError, SyntaxError) as error:
        raise InputError(f"the command line is not understood: {_join(str(error))}") from None
    config = values["config"].value
    if values["config"].using_default_value or config is None:
        raise InputError(f"--config=NAME is missing; configs are {', '.join(config_names())}")
    _check_tuples(config)
    workdir = Path(values["workdir"].value) if values["workdir"].value else None
    name = next(word.split("=", 1)[1] for word in words if word.startswith("--config="))
    command = f"python -m experiments.{experiment} {shlex.join(given)}"
    kept = tuple(word for word in words if not word.startswith("--workdir="))
    return Request(config, name, workdir, command, kept, extra)


def at_home(word: str) -> str:
    """The word with the user's home for each `~` that begins a path: after `=` no shell does it."""
    return re.sub(r"([=,] *)(~[\w.-]*)", lambda one: one[1] + os.path.expanduser(one[2]), word)


def config_names() -> list[str]:
    """The names that --config takes."""
    return sorted(path.stem for path in Path(configs.__path__[0]).glob("[a-z]*.py"))


def config_by_name(name: str) -> Config:
    """The config of configs/NAME.py."""
    return importlib.import_module(f"configs.{name}").get_config()


_source = cache(inspect.getsource)


def fields(holder: Any, prefix: str = "config") -> Iterator[tuple[str, Any, type, str]]:
    """(full name, value, type, comment) of every field of a config, depth first."""
    types = get_type_hints(type(holder))
    source = _source(type(holder))
    for field in dataclasses.fields(holder):
        value, name = getattr(holder, field.name), f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from fields(value, name)
        else:
            comment = re.search(rf"^    {field.name}: .*?  # (.*)$", source, re.MULTILINE)
            yield name, value, types[field.name], comment[1] if comment else ""


def help_text(experiment: str, title: str, own: Sequence[Flag] = ()) -> str:
    """What --help prints: flags of its own, configs, fields with their defaults."""
    lines = [
        title,
        "",
        f"  python -m experiments.{experiment} --config=NAME [--config.field=value]",
    ]
    for flag in own:
        first, *rest = flag.help.splitlines()
        lines += ["", f"  --{flag.name + '=' + flag.shown:<27} {first}"]
        lines += [f"{'':<32}{line}".rstrip() for line in rest]
    lines += ["", "configs:"]
    for name in config_names():
        doc = (importlib.import_module(f"configs.{name}").__doc__ or "").strip().splitlines()[0]
        lines.append(f"  {name:<14} {doc}")
    lines += ["", "fields (defaults of the schema; --config.FIELD=VALUE; tuples as 1,2,3):"]
    for name, value, _, comment in fields(Config()):
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        lines.append(f"  --{name + '=' + shown:<44} {comment}".rstrip())
    lines += ["", "in short:"]
    lines += [f"  --{short + '=PATH':<20} --{field}=PATH" for short, field in SHORT.items()]
    lines += ["", "other flags:"]
    lines += ["  --workdir=FOLDER   where the run goes; the folder of a stopped run resumes it"]
    return "\n".join(lines)


def _take(words: Sequence[str], own: Sequence[Flag]) -> tuple[dict[str, tuple[str, ...]], list]:
    """({flag of the experiment's own: its values}, the other words)."""
    many, found, rest = {flag.name: flag.many for flag in own}, {}, []
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if name not in many or not word.startswith("--"):
            rest.append(word)
            continue
        if not equals or not value:
            raise InputError(f"--{name} has no value; write --{name}=VALUE")
        found[name] = (*found.get(name, ()), value) if many[name] else (value,)
    return found, rest


def _in_full(words: Sequence[str]) -> list[str]:
    """The words without short forms; a field has one form, or the last of two would win unseen."""
    full, forms = [], {}
    for word in words:
        flag, equals, value = word.removeprefix("--").partition("=")
        field = SHORT.get(flag, flag) if equals else flag
        if forms.setdefault(field, flag) != flag:
            raise InputError(f"--{forms[field]} and --{flag} are both {field}; give one of them")
        full.append(word if field == flag else f"--{field}={value}")
    return full


def _quoted(word: str, lists: Container[str]) -> str:
    """A list of names as a Python tuple: ml_collections evaluates what it can, and `#` ends it."""
    flag, _, value = word.removeprefix("--").partition("=")
    if flag not in lists or value.startswith("("):
        return word
    return f"--{flag}={tuple(part.strip() for part in value.split(','))!r}"


def _check_words(words: Sequence[str], own: Sequence[str]) -> None:
    """Names before values: absl and ml_collections say little about a mistyped one."""
    others = ["config", "workdir", "help", *own]
    known = {name: value for name, value, *_ in fields(Config())}
    sections = {name.rsplit(".", 1)[0] for name in known} - {"config"}
    for word in words:
        if not word.startswith("--"):
            raise InputError(f"{word!r} is no flag; flags begin with --, see --help")
        flag, equals, value = word[2:].partition("=")
        if flag.startswith("config."):
            if flag in sections:
                inside = [name for name in known if name.startswith(flag + ".")]
                raise InputError(f"--{flag} is a group of fields; set one: {', '.join(inside)}")
            if flag not in known:
                raise InputError(f"--{flag} is not a field; {suggest(flag, known, 'config.')}")
        elif flag not in ("config", "workdir"):
            raise InputError(f"--{flag} is no flag; {suggest(flag, others)}")
        if not equals or not value:
            raise InputError(f"--{flag} has no value; write --{flag}=VALUE")
        if flag == "config":
            one_of("--config", value, config_names())
    names = [word for word in words if word.startswith("--config=")]
    if len(names) > 1:
        raise InputError(f"--config is given {len(names)} times; give it once")


def _check_tuples(config: Config) -> None:
    """ml_collections checks no elements, and takes 1 for a float: mended here, in place."""
    for name, value, kind, _ in fields(config):
        if not isinstance(value, tuple):
            continue
        element = get_args(kind)[0]
        for one in value:
            good = isinstance(one, (int, float) if element is float else element)
            if not good or isinstance(one, bool):
                raise InputError(
                    f"--{name} has {one!r}, which is not {_KINDS[element]}; write 1,2,3"
                )
        *path, last = name.split(".")[1:]
        holder = config
        for part in path:
            holder = getattr(holder, part)
        setattr(holder, last, tuple(element(one) for one in value))


def _explain(message: str, words: Sequence[str]) -> str:
    """absl's "flag --NAME=VALUE: reason" in our words."""
    for word in words:
        if message.startswith(f"flag {word}: "):
            name, _, value = word.partition("=")
            kind = next(kind for field, _, kind, _ in fields(Config()) if f"--{field}" == name)
            expected = _KINDS.get(kind, "a list: 1,2,3 or a,b,c")
            return f"{name} (={value}) must be {expected}"
    return _join(message)


def _join(message: str) -> str:
    return " ".join(message.split())
