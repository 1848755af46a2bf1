"""Where the cells of a sweep run.

Each module makes an `Engine`. It takes the cells in the order given, and yields what became of each
as it ends; once it is told to stop, it takes no more, and those at work stop at a checkpoint.
"""

from collections.abc import Callable, Iterator, Sequence

from experiments.sweeps.cell import Job, Outcome

Engine = Callable[[Sequence[Job], Callable[[], int]], Iterator[Outcome]]
