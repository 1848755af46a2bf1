"""What a campaign aims at."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis.strategies import SearchStrategy

from fuzzing.folders import Content

REQUEST = "request.json"  # of an input that is more than its files


class Target(NamedTuple):
    """A reader, and what it is given.

    Attributes:
        inputs: folders, as `folders.lay` takes them.
        use: reads such a folder. It returns or raises an InputError; an AssertionError says that
            the value it got is one that no reader may give.
        seconds: of the processor, that an input may take.
        megabytes: by which an input may raise the peak memory of the process.
    """

    inputs: SearchStrategy[Mapping[str, Content]]
    use: Callable[[Path], Any]
    seconds: float = 5
    megabytes: float = 400
