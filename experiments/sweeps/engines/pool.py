"""The cells of a sweep in several processes of this machine.

Not `concurrent.futures`: there, one process that is killed breaks the pool. Here it costs its cell
a second try, which goes on from the cell's checkpoint.
"""

import contextlib
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from experiments.sweeps.cell import Job, Outcome, Runner
from experiments.sweeps.engines import Engine

TRIES = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def engine(workers: int) -> Engine:
    """An engine of so many processes at most, each with its share of the cores."""
    return partial(_run, workers)


class _Worker:
    """A process and the cell that it is at."""

    def __init__(self, context, told, cores: Sequence[int]):
        self.cores = cores
        self.job: Job | None = None
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, told, cores, os.getpid())
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        with _signals_held():
            self.process.start()
        theirs.close()  # so that the pipe ends with the process

    def take(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(OSError):  # it died idle, which is seen at its pipe's end
            self.pipe.send(job)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _run(workers: int, jobs: Sequence[Job], stop: Callable[[], int]) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")  # a fork would copy JAX's threads half
    told = context.RawValue("i", 0)  # without a lock, which a killed process would keep
    shares = _shares(workers)[: len(jobs)]
    crew = [_Worker(context, told, cores) for cores in shares]
    left, tries = deque(jobs), Counter()
    try:
        while True:
            told.value = stop()
            for worker in crew:
                if worker.job is None and left and not stop():
                    worker.take(left.popleft())
            busy = {worker.pipe: (worker, worker.job) for worker in crew if worker.job}
            if not busy:
                return
            for pipe in wait(list(busy), timeout=0.5):
                worker, job = busy[pipe]
                try:
                    outcome = worker.pipe.recv()
                    worker.job = None
                except (EOFError, OSError):
                    worker.kill()
                    crew[crew.index(worker)] = _Worker(context, told, worker.cores)
                    tries[job.slug] += 1
                    if tries[job.slug] < TRIES:
                        left.appendleft(job)
                        continue
                    code = worker.process.exitcode
                    reason = f"its process died {TRIES} times, the last time with status {code}"
                    outcome = Outcome(job.slug, "failed", reason, reason)
                yield outcome
    finally:
        for worker in crew:
            worker.kill()


@contextlib.contextmanager
def _signals_held():
    """A process that is started here gets no signal until it has said what it does with them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would end the holding
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shares(workers: int) -> list[list[int]]:
    """The cores of each worker, equally many; none where they cannot be chosen.

    XLA adds in an order that depends on how many there are. So a cell comes to the same bits
    whichever worker has it, and however many cells are left when a sweep goes on.
    """
    if not hasattr(os, "sched_getaffinity"):
        return [[] for _ in range(workers)]
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, len(cores) // workers)
    return [[cores[(i * each + j) % len(cores)] for j in range(each)] for i in range(workers)]


def _work(pipe: Connection, told, cores: Sequence[int], parent: int) -> None:
    for number in _SIGNALS:  # it is the parent that is asked to stop
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if cores:
        os.sched_setaffinity(0, cores)  # XLA makes a thread for each, and no more
    runner = Runner()

    def stop():
        return told.value or (0 if os.getppid() == parent else signal.SIGTERM)

    with contextlib.suppress(EOFError, OSError):  # the parent is no more
        while True:
            pipe.send(runner.run(pipe.recv(), stop))
