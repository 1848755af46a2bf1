"""A process that gives inputs to one target, one after the other, and tells how each went."""

import faulthandler
import importlib
import itertools
import json
import os
import resource
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from fuzzing import folders

_PATIENCE = 6  # times the seconds of a target, by the clock: then a reader is taken to hang
OURS = 3  # exit status for a defect of the campaign itself
_LONGEST = 5_000  # letters of a line for a person
TARGETS = ("pictures", "bombs", "manifests", "masks", "styles", "changes", "weights")
TARGETS += ("journals", "words", "grids")


class Told(NamedTuple):
    """What became of an input.

    Attributes:
        problem: what is wrong with it, in words; "" if nothing is.
        seconds: of the processor.
        megabytes: the peak of the memory, above what the process had before.
    """

    accepted: bool
    problem: str
    seconds: float
    megabytes: float


def work(name: str, inputs: int, seed: int, root: Path, connection: Connection) -> None:
    """Sends a Told for each input, which lies in `root`/space/input; those that fail are kept."""
    import hypothesis
    from hypothesis import HealthCheck, Phase, configuration

    configuration.set_hypothesis_home_dir(root / "hypothesis")
    watch = Watch(name, root / "space")
    folder, numbers = root / "space" / "input", itertools.count()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],  # type: ignore[list-item]
    )
    @hypothesis.given(watch.target.inputs)
    def one(case):
        folders.clear(folder)
        folders.lay(folder, case)
        told, kept = watch(folder), root / f"kept-{next(numbers)}"
        if told.problem:
            folder.rename(kept)
        connection.send((told, kept))

    try:
        one()
    except BaseException:
        os.write(watch.stderr, traceback.format_exc()[:4000].encode())
        os._exit(OURS)


class Watch:
    """Uses an input, and says what became of it.

    Args:
        space: a folder for the input, and for another beside it that no input may reach.
    """

    def __init__(self, name: str, space: Path):
        from fuzzing.guard import Guard

        self._space = space
        os.environ["STYLEINV_CACHE"] = str(space / "cache")
        lay_outside(space)
        os.chdir(space)
        self.stderr = os.dup(2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # for libtiff, which says what it thinks
        self.target = importlib.import_module(f"fuzzing.{name}").target()
        self._guard = Guard()
        most = int((_memory("VmSize") + 2 * self.target.megabytes + 2000) * 1e6)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))  # to spare the machine the worst

    def __call__(self, folder: Path) -> Told:
        from styleinv.errors import InputError

        before, accepted, problems = folders.tree(self._space), False, []
        patience = _PATIENCE * self.target.seconds
        faulthandler.dump_traceback_later(patience, exit=True, file=self.stderr)
        _forget_peak()
        resident, start = _memory("VmRSS"), time.process_time()
        try:
            with warnings.catch_warnings(), self._guard.watching(folder):
                warnings.simplefilter("error")  # is more than one line
                self.target.use(folder)
            accepted = True
        except InputError as error:
            line = str(error)
            if not line.isprintable() or len(line) > _LONGEST:
                problems.append(f"no line for a person: {line!r:.200}")
        except BaseException:
            problems.append(traceback.format_exc(limit=-4))
        seconds, megabytes = time.process_time() - start, _memory("VmHWM") - resident
        faulthandler.cancel_dump_traceback_later()
        problems += self._guard.broken
        if seconds > self.target.seconds:
            problems.append(f"took {seconds:.1f} seconds")
        if megabytes > self.target.megabytes:
            problems.append(f"took {megabytes:.0f} MB")
        if changed := before ^ folders.tree(self._space):
            problems.append(f"changed {sorted(changed)[:3]}")
        return Told(accepted, "; ".join(problems), seconds, megabytes)


def lay_outside(space: Path) -> None:
    """The folder beside an input, with files that nothing in an input may lead to."""
    from fuzzing.shapes import secrets

    space.mkdir(exist_ok=True)
    folders.lay(space / "outside", secrets())


def _memory(kind: str) -> float:
    """MB that the process has (VmRSS), had at the peak (VmHWM), or has addresses for (VmSize)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{kind}:")[2].split()[0]) / 1e3


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM


def request(folder: Path) -> dict:
    """What an input asks for besides its files."""
    return json.loads((folder / "request.json").read_bytes())
