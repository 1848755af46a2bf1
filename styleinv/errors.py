"""The one exception whose message is meant for the person at the keyboard."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

_LONGEST = 4000  # letters of a message


class InputError(ValueError):
    """Something that the user gave (a file, a field, a weight) cannot be used.

    Its message is one line: what is wrong, where, and what to do. The command line prints it and
    exits with status 2; any other exception is a defect of ours and keeps its traceback. Whatever
    a file has put into it, it is printable, and no longer than a person reads.
    """

    def __str__(self) -> str:
        line = "".join(letter if letter.isprintable() else "?" for letter in super().__str__())
        return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 500]} ... {line[-490:]}"


class DiskError(InputError):
    """A file cannot be written: the disk is full, the folder read-only.

    Attributes:
        what: which file, and why.
    """

    def __init__(self, what: str, kept: str = ""):
        """Says besides what is kept, and how to go on."""
        super().__init__(f"{what}; {kept}" if kept else what)
        self.what = what


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Turns what the system says against reading `what` into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}") from None


def reason_of(error: BaseException, most: int | None = None) -> str:
    """What an exception that is not ours says, in one line; its type if it says nothing.

    Args:
        most: letters.
    """
    return " ".join(str(error).split())[:most] or type(error).__name__


def first_few(names: Sequence[str]) -> str:
    """The first five of a list, and whether there are more: "a, b, c, d, e, ..."."""
    return ", ".join([*names[:5], "..."] if names[5:] else names)


def one_of(what: str, value: str, options: Iterable[str]) -> None:
    """Raises an InputError, with the nearest option if one is near, unless value is an option."""
    options = list(options)
    if value not in options:
        raise InputError(f"{what} (={value}) is not known; {suggest(value, options)}")


def suggest(value: str, options: Iterable[str], prefix: str = "") -> str:
    """ "did you mean A? options are A, B, C"; of very many options, only the nearest one.

    Args:
        prefix: what every option begins with; no likeness is seen in it.
    """
    options = list(options)
    bare = [option.removeprefix(prefix) for option in options]
    near = difflib.get_close_matches(value.removeprefix(prefix), bare, n=1, cutoff=0.5)
    guess = f"did you mean {prefix}{near[0]}? " if near else ""
    many = len(options) > 20
    return guess + ("--help lists them all" if many else f"options are {', '.join(options)}")
