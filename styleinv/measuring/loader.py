"""Work done ahead of its use, in threads: bounded, and in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    load: Callable[[T], R], tasks: Iterable[T], *, threads: int, most: int
) -> Generator[R, None, None]:
    """`load` of each task, in their order.

    Threads, not processes: Pillow lets go of Python's lock while it decodes and resizes, and
    nothing has to be sent from one process to another (measured: docs/scale.md).

    Args:
        most: how many are loaded, or being loaded, beyond the one that was asked for.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(load, task))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
