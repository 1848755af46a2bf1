"""A program in a process of its own: rivals share no threads, no memory and no settings.

    with Program("scripts.benchmarks.torch_rival:TorchStep", 256) as rival:
        rival("seconds", image)

The parts of a program are named by strings, so that a process imports only what it runs.
"""

import importlib
import importlib.util
import multiprocessing
import resource
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from styleinv.errors import InputError


class Program:
    """An object that lives in another process; a call names one of its methods.

    Args:
        what: "module:class".
        arguments: what the object is made of.

    Raises:
        InputError: as the object does, and where its process comes to an end by itself.
    """

    def __init__(self, what: str, *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self.what = what
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, what, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    def __call__(self, method: str, *arguments: Any) -> Any:
        self._pipe.send((method, arguments))
        return self._answer()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        self._pipe.close()  # which its process takes for the end
        self._process.join()

    def _answer(self) -> Any:
        try:
            found = self._pipe.recv()
        except EOFError:
            self._process.join()
            status = self._process.exitcode
            raise InputError(
                f"the process of {self.what} ended with status {status}; above is what it said, "
                "and a status of -9 is mostly the system's answer to too little memory"
            ) from None
        if isinstance(found, Exception):
            raise found
        return found


def alone(what: str, arguments: Sequence[Any], method: str, *words: Any) -> Any:
    """What one method of a program returns, in a process that does nothing else."""
    with Program(what, *arguments) as program:
        return program(method, *words)


def peak() -> float:
    """Megabytes of memory that this process has had at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def require(*packages: str) -> None:
    """Raises an InputError for a package that a benchmark needs and that is not there."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"this benchmark needs {' and '.join(missing)}; pip install -r requirements-dev.txt"
        )


def _serve(pipe: Connection, what: str, arguments: Sequence[Any]) -> None:
    module, name = what.split(":")
    try:
        made = getattr(importlib.import_module(module), name)(*arguments)
        pipe.send(None)
        while True:
            method, words = pipe.recv()
            pipe.send(getattr(made, method)(*words))
    except EOFError:
        return
    except InputError as error:
        pipe.send(error)
