"""One cell of a sweep: an ordinary run of an experiment, whatever becomes of it.

The experiments are found by name, so that no experiment imports another.
"""

import importlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments import cli, session
from experiments.sweeps.quiet import quiet
from experiments.validate import network_layers
from styleinv.config import Config
from styleinv.errors import DiskError, InputError

if TYPE_CHECKING:
    from styleinv.minimize import Step
    from styleinv.vgg import VGG

EXPERIMENTS = ("learn_style", "transfer")


class Job(NamedTuple):
    """What a worker needs to know of a cell; plain words, so that it travels.

    Attributes:
        slug: the cell's name.
        experiment: what it is a run of.
        words: its command line, with --workdir.
        folder: where the run goes.
    """

    slug: str
    experiment: str
    words: tuple[str, ...]
    folder: str


class Outcome(NamedTuple):
    """What became of a cell.

    Attributes:
        status: finished, stopped or failed.
        reason: why it failed, in one line.
        trace: the same at length.
        seconds: of this sitting.
        compiled: functions that had to be compiled for it.
        read: functions that came from the cache on disk.
        notes: what the run warned of.
        unwritten: the file that it had no room for, and why; it is stopped then.
    """

    slug: str
    status: str
    reason: str = ""
    trace: str = ""
    seconds: float = 0.0
    compiled: int = 0
    read: int = 0
    notes: tuple[str, ...] = ()
    unwritten: str = ""


class Runner:
    """Runs cells in this process; they share the network and what is compiled."""

    def __init__(self):
        from styleinv.compilation import Counter

        self._counter = Counter()
        self._loading = threading.Lock()
        self._loaded: dict[Any, tuple[tuple, tuple[VGG, dict[str, Any]]]] = {}  # by device

    def run(self, job: Job, stop: Callable[[], int]) -> Outcome:
        """One cell, to its end or as far as it comes; quietly, and no failure is raised.

        Args:
            stop: the number of the signal to stop for, or 0.
        """
        (outcome,) = self._run([job], stop, map)
        return outcome

    def run_together(self, jobs: Sequence[Job], stop: Callable[[], int]) -> list[Outcome]:
        """Several cells at a time, their steps as one; otherwise as `run`.

        What was compiled, and what was warned of, is said of the first.
        """
        from styleinv.together import Together

        meeting = Together(len(jobs))

        def each(work, jobs):
            def take_part(job):
                try:
                    return work(job)
                finally:
                    meeting.leave()

            with ThreadPoolExecutor(len(jobs)) as pool:
                return list(pool.map(take_part, jobs))

        return self._run(jobs, stop, each, meeting.step)

    def run_apart(
        self, jobs: Sequence[Job], stop: Callable[[], int], devices: Sequence[Any]
    ) -> Iterator[Outcome]:
        """Cells on several jax.Devices, one on each at a time; otherwise as `run`, in any order.

        Of those that were not begun there is no outcome.
        """
        import jax

        free, over = SimpleQueue(), threading.Event()
        for device in devices:
            free.put(device)

        def stop_or_over() -> int:
            return stop() or over.is_set()

        def on_a_free_one(job: Job) -> Outcome | None:
            if stop_or_over():
                return None
            device, before = free.get(), self._counter.of_thread()
            try:
                with jax.default_device(device):
                    outcome = self._attempt(job, stop_or_over, None, device)
            finally:
                free.put(device)
            count = self._counter.of_thread().since(before)
            return outcome._replace(compiled=count.compiled, read=count.read)

        speaker = threading.get_ident()
        with quiet(speaker) as notes, ThreadPoolExecutor(len(devices)) as pool:
            try:
                for future in as_completed([pool.submit(on_a_free_one, job) for job in jobs]):
                    if outcome := future.result():
                        outcome = outcome._replace(notes=tuple(notes))
                        notes.clear()
                        yield outcome
            finally:
                over.set()  # the pool waits for all cells, even if nobody asks for more

    def _run(self, jobs, stop, each, step=None) -> list[Outcome]:
        if stop():
            return [Outcome(job.slug, "stopped") for job in jobs]
        before = self._counter.of_all()
        with quiet() as notes:
            first, *others = each(partial(self._attempt, stop=stop, step=step), jobs)
        compiled, read = self._counter.of_all().since(before)
        return [first._replace(compiled=compiled, read=read, notes=tuple(notes)), *others]

    def _attempt(
        self, job: Job, stop: Callable[[], int], step: "Step | None", device: Any = None
    ) -> Outcome:
        begun = time.monotonic()
        reason = trace = unwritten = ""
        try:
            request = cli.parse(job.experiment, job.words)
            found = experiment(job.experiment)
            signal = session.execute(found, request, partial(self._load, device), stop, step)
            status = "stopped" if signal else "finished"
        except DiskError as error:
            status, unwritten = "stopped", error.what
        except Exception as error:
            status, reason, trace = "failed", reason_of(error), traceback.format_exc()
        seconds = time.monotonic() - begun
        return Outcome(job.slug, status, reason, trace, seconds, unwritten=unwritten)

    def _load(self, device: Any, config: Config) -> "tuple[VGG, dict[str, Any]]":
        """The network that the cell before had, on the same device, if it is the same."""
        from experiments.inputs import load_network

        net = config.network
        key = (net.name, net.weights, net.pooling, net.padding, net.convolution, net.split)
        key += (network_layers(config)[-1],)
        with self._loading:
            if self._loaded.get(device, (None,))[0] != key:
                self._loaded.pop(device, None)  # never two at a time
                self._loaded[device] = key, load_network(config)
            return self._loaded[device][1]


def experiment(name: str) -> session.Experiment:
    """The experiment of experiments/NAME.py."""
    return importlib.import_module(f"experiments.{name}").EXPERIMENT


def reason_of(error: Exception) -> str:
    """One line."""
    line = " ".join(str(error).split())
    known = isinstance(error, InputError | FloatingPointError) and line
    return line if known else f"{type(error).__name__}: {line}".removesuffix(": ")
