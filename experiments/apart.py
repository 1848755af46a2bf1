"""The pictures of a run: one after the other, or one at a time on each of several devices.

On several devices each picture is in a folder of its own, as a run would be, until all are done;
then the run's own folder takes them over, in their order. So it ends as if they had been in turn.

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import Any

from experiments.optimize import Task, is_done
from experiments.session import Session

Work = Callable[[Session, Task], bool]


def work_on(opened: Session, tasks: Sequence[Task], work: Work) -> bool:
    """Does what is left of the tasks; False if stopped.

    Args:
        work: brings one picture to its end, False if stopped.
    """
    devices = _devices(opened, len(tasks))
    if devices:
        return _apart(opened, tasks, work, devices)
    left = (task for task in tasks if not is_done(opened.config, opened.run, task))
    return all(work(opened, task) for task in left)


def _devices(opened: Session, count: int) -> list[Any]:
    """Those that so many pictures are spread over; none if they go in turn."""
    import jax

    chosen: Any = jax.config.jax_default_device  # type: ignore[attr-defined]
    if count < 2 or chosen or opened.step or opened.config.tensorboard or opened.run.resume:
        return []
    found = jax.local_devices()[:count]
    return found if len(found) > 1 or opened.run.parted else []


def _apart(opened: Session, tasks: Sequence[Task], work: Work, devices: Sequence[Any]) -> bool:
    import jax
    import jax.numpy as jnp

    # `device_put` would bind it to the device, and a step's results by it, but not what the first
    # step takes: each step would be compiled twice.
    copy = jax.jit(partial(jax.tree.map, jnp.copy))
    free, failed = SimpleQueue(), Event()
    for device in devices:
        free.put(device)

    def on_a_free_one(task: Task) -> bool:
        if stop():
            return False
        device = free.get()
        try:
            with jax.default_device(device), opened.run.part(task.name) as run:
                own = opened._replace(run=run, network=copy(opened.network), stop=stop)
                return is_done(opened.config, run, task) or work(own, task)
        except BaseException:
            failed.set()
            raise
        finally:
            free.put(device)

    def stop() -> int:
        return opened.stop() or failed.is_set()

    with ThreadPoolExecutor(len(devices)) as pool:
        futures = [pool.submit(on_a_free_one, task) for task in tasks]
        done = [future.result() for future in as_completed(futures)]
    if not all(done):
        return False
    for task in tasks:
        opened.run.take_over(task.name)
    return True
