"""A grid over any fields -> one run for each cell, a table and a report.

    python -m experiments.sweep --config=anime --grid='dataset.size=1,2,4' --grid='seed=0,1,2'

The libraries are imported where a sweep begins, so that `--help` and mistakes are answered at once.
"""

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import cli
from experiments.sweeps import grid
from experiments.sweeps.ledger import Ledger, belongs
from styleinv.config import Config
from styleinv.errors import DiskError, InputError, one_of

if TYPE_CHECKING:
    from experiments.sweeps.cell import Job, Outcome
    from experiments.sweeps.engines import Engine

LOG = logging.getLogger("styleinv")
ENGINES = ("local", "ray")
FLAGS = (
    cli.Flag("grid", "'FIELD=V1,V2'", grid.HELP, many=True),
    cli.Flag(
        "workers",
        "N",
        "cells at a time, each in a process with its share of the cores;\n"
        "without it in this process, one at a time on each of its devices",
    ),
    cli.Flag(
        "batch",
        "N",
        "cells at a time in this process, their steps as one where shapes are\n"
        "equal: for accelerators; without --workers",
    ),
    cli.Flag(
        "engine",
        "local",
        "local, or ray: on a Ray cluster, one cell at a time on each node,\n"
        "or --workers in all; --workdir and the pictures must be on a disk\n"
        "that the nodes share",
    ),
    cli.Flag(
        "address", "HOST:PORT", "of Ray; otherwise RAY_ADDRESS, or a Ray of this machine's own"
    ),
    cli.Flag("experiment", "NAME", "learn_style; or transfer, where there is a photo"),
)


def execute(request: cli.Request) -> int:
    """Runs or resumes; the options of every cell are checked before anything is written.

    Returns:
        The exit status: 0, 1 if a cell failed, or 128 and the number of the signal.
    """
    from styleinv import lock, record
    from styleinv.interrupt import interruptible

    axes = grid.parse(request.extra.get("grid", ()))
    if not axes:
        raise InputError("there is no grid; give at least one: --grid='seed=0,1,2', see --help")
    points = {point.slug: point for point in grid.points(axes)}
    name = experiment_of(request, axes)
    folder = request.workdir or record.default_folder("sweep", request.name)
    jobs, configs = plan(request, name, points, folder)
    belongs(folder, name, request.config, list(points))
    lock.refuse_held(folder)
    run = engine_of(request, configs)
    commands = {job.slug: command_of(job) for job in jobs}
    facts = {k: {"values": point.values, "command": commands[k]} for k, point in points.items()}
    with interruptible() as stop, lock.hold(folder):
        ledger = Ledger(folder, name, request, axes, facts)
        try:
            failed = fill(ledger, jobs, configs, run, stop)
            stopped = bool(stop())
            ledger.save("interrupted" if stopped else "finished")
            page = write_report(folder)
        except DiskError as error:
            kept = f"{ledger.kept()}; to go on once it can be: {cli.again(request, folder)}"
            raise DiskError(error.what, kept) from None
    print(f"table:  {folder / 'metrics.csv'}\nreport: {page}")
    if failed:
        print(f"{failed} of {len(jobs)} cells failed, see there; the same command tries them again")
    return cli.stopped(request, folder, stop()) if stopped else int(bool(failed))


def fill(
    ledger: Ledger, jobs: "Sequence[Job]", configs: "dict[str, Config]", run: "Engine", stop
) -> int:
    """Runs the cells that are not done yet; the number of those that failed."""
    done = [job for job in jobs if ledger.is_done(job.slug)]
    for job in done:
        ledger.note_done(job.slug)
    ledger.save("running")
    LOG.info(
        "sweep folder %s: %d cells, %d of them done before", ledger.folder, len(jobs), len(done)
    )
    left = by_shape([job for job in jobs if job not in done], configs)
    return carry_out(run, left, ledger, len(done), len(jobs), stop)


def experiment_of(request: cli.Request, axes: Sequence[grid.Axis]) -> str:
    """The name of what the cells are runs of."""
    from experiments.sweeps.cell import EXPERIMENTS

    photo = request.config.content.path or any("content.path" in axis.fields for axis in axes)
    (name,) = request.extra.get("experiment", ("transfer" if photo else "learn_style",))
    one_of("--experiment", name, EXPERIMENTS)
    return name


def plan(
    request: cli.Request, name: str, points: "dict[str, grid.Point]", folder: Path
) -> "tuple[list[Job], dict[str, Config]]":
    """The cells as jobs, and {slug: config}; the options of each are checked."""
    from experiments import session
    from experiments.sweeps.cell import Job, experiment

    given = {word.partition("=")[0] for word in request.words}
    jobs, configs = [], {}
    for slug, point in points.items():
        if twice := [f for f in point.values if f"--config.{f}" in given]:
            raise InputError(f"--config.{twice[0]} is in the grid too; give it in one place")
        if name == "learn_style" and (idle := [f for f in point.values if of_transfers(f)]):
            raise InputError(
                f"--grid: learn_style has no use for {idle[0]}, and all cells would be the same; "
                "give a photo to restyle (--config.content=photo.jpg), or leave it out"
            )
        own = folder / "cells" / slug
        words = (*request.words, *point.words, f"--workdir={own}")
        configs[slug] = cli.parse(name, words).config
        session.check(experiment(name), configs[slug])
        jobs.append(Job(slug, name, words, str(own)))
        same = next(k for k, config in configs.items() if config == configs[slug])
        if same != slug:
            raise InputError(f"the cells {same} and {slug} are the same run; leave one out")
    return jobs, configs


def of_transfers(field: str) -> bool:
    """Whether the field says how a photograph is restyled, but not which."""
    return field == "alpha" or (field.startswith("content.") and field != "content.path")


def command_of(job: "Job") -> str:
    """What runs the cell alone."""
    return f"python -m experiments.{job.experiment} {shlex.join(job.words)}"


def by_shape(jobs: "Sequence[Job]", configs: "dict[str, Config]") -> "list[Job]":
    """Cells that share their compiled functions follow each other."""
    order: dict[tuple, list[Job]] = {}
    for job in jobs:
        config = configs[job.slug]
        key = (config.network, config.optimizer, config.style.layers, config.style.statistic)
        key += (config.resolution, len(config.steps), config.style.scale, config.dataset.region)
        order.setdefault(tuple(map(str, key)), []).append(job)
    return [job for group in order.values() for job in group]


def engine_of(request: cli.Request, configs: "dict[str, Config]") -> "Engine":
    """Where the cells, with those that are done, run; ready to begin."""
    import jax

    from experiments.sweeps.engines import batch, cluster, devices, here, pool

    (name,) = request.extra.get("engine", ("local",))
    one_of("--engine", name, ENGINES)
    workers, together = number_of(request, "workers"), number_of(request, "batch")
    (address,) = request.extra.get("address", ("",))
    split = any(config.network.split for config in configs.values())
    if together and split:
        raise InputError(f"--batch (={together}) is not for config.network.split; leave one out")
    if together and (workers or name == "ray"):
        raise InputError(f"--batch (={together}) is for this process; leave out the other engines")
    if name == "ray":
        return cluster.engine(address, workers)
    if address:
        raise InputError(f"--address (={address}) is for --engine=ray")
    if together:
        return batch.engine(together)
    if workers:
        return pool.engine(min(workers, len(configs)))
    found = jax.local_devices()
    several = len(found) > 1 and not split  # which takes them all itself
    return devices.engine(found) if several else here.run


def number_of(request: cli.Request, flag: str) -> int:
    """The value of a flag that counts, 1 or more; 0 without it."""
    (text,) = request.extra.get(flag, ("0",))
    if not text.isdecimal() or (int(text) < 1 and flag in request.extra):
        raise InputError(f"--{flag} (={text}) must be a whole number, 1 or more")
    return int(text)


def carry_out(run: "Engine", jobs: "Sequence[Job]", ledger: Ledger, done: int, total: int, stop):
    """Runs the cells and keeps what becomes of them; the number of those that failed.

    Raises:
        DiskError: at the first that cannot write.
    """
    from styleinv import progress

    failed, said = 0, set()
    with progress.bar("cells", total) as bar:
        bar.skip(done)
        for outcome in run(jobs, stop):
            ledger.note(outcome)
            if outcome.unwritten:  # nor would the cells after it have room
                raise DiskError(outcome.unwritten)
            for note in outcome.notes:
                if note not in said:
                    said.add(note)
                    bar.say(f"{outcome.slug}: {note}")
            failed += outcome.status == "failed"
            if outcome.status != "stopped":
                done += 1
                bar.advance(1)
                bar.say(f"{done}/{total} {line_of(ledger.folder, outcome)}")
    return failed


def line_of(folder: Path, outcome: "Outcome") -> str:
    """What the log says of a cell."""
    from styleinv.pages import sweep_table

    if outcome.status == "failed":
        return f"{outcome.slug}  failed: {outcome.reason}"
    loss = sweep_table.numbers(folder / "cells" / outcome.slug)["loss"]
    return (
        f"{outcome.slug}  loss {loss:.5f}  {outcome.seconds:.1f} s  "
        f"compiled {outcome.compiled}, read from disk {outcome.read}"
    )


def write_report(folder: Path) -> Path:
    """report.html of what there is."""
    from styleinv.pages import sweep_report

    return sweep_report.write_report(folder)


if __name__ == "__main__":
    cli.run("sweep", "Runs a grid over any fields of an experiment.", execute, FLAGS)
