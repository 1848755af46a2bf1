"""One run of an experiment: checked, opened, worked on, closed.

Shared by the experiments. The libraries are imported inside, so that `--help` stays quick.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments import cli, debias, targets
from experiments.contents import Content
from experiments.inputs import check_start, load_network, refuse_large
from experiments.problem import Styles
from experiments.sittings import listed, refuse_other_photos, refuse_others
from experiments.targets import Source
from experiments.validate import validate
from styleinv.config import Config
from styleinv.errors import DiskError, InputError

if TYPE_CHECKING:
    import numpy as np

    from styleinv.minimize import Step
    from styleinv.record import Record
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")
# Seconds that a run inside another waits for its folder: a worker of a sitting that was killed ends
# after its step, and a network disk forgets the lock of a host that died.
PATIENCE = 120
Load = Callable[[Config], tuple["VGG", dict[str, Any]]]


class Inputs(NamedTuple):
    """What a run works on, checked.

    Attributes:
        sources: {region: where its style comes from}.
        contents: the photographs of a transfer, or those that take the place of the originals
            (style.debias).
        layout: {region: f32[h, w]}, where in a learned style image each region goes; empty where a
            region fills it.
    """

    sources: Mapping[str, Source]
    contents: Sequence[Content] = ()
    layout: "Mapping[str, np.ndarray]" = MappingProxyType({})


class Session(NamedTuple):
    """An open run.

    Attributes:
        digest: sha256 of the network's weights.
        known: {style file's name in the run's folder: what is in it, or in the one given}.
        run: its folder.
        stop: the number of the signal that it was sent, or 0.
        step: see `minimize`.
    """

    config: Config
    network: "VGG"
    digest: str
    known: Mapping[str, targets.Measured]
    run: "Record"
    stop: Callable[[], int]
    step: "Step | None"

    def obtain(self, sources: Mapping[str, Source]) -> Styles | None:
        """The styles of the sources; None if stopped, see `targets.obtain`."""
        config, digest, folder = self.config, self.digest, self.run.folder
        unknown = {k: source for k, source in sources.items() if source.own not in self.known}
        known = {**self.known, **targets.read_files(config, digest, unknown, folder)}
        return targets.obtain(config, self.network, digest, sources, known, folder, self.stop)


class Experiment(NamedTuple):
    """What differs between experiments.

    Attributes:
        name, title: for the command line.
        check: refuses what it has no use for, before a file is read.
        find: looks at the user's files, and refuses what cannot be used.
        work: fills the run's folder and closes it; False if stopped.
        report: writes report.html and returns its path.
    """

    name: str
    title: str
    check: Callable[[Config], None]
    find: Callable[[Config], Inputs]
    work: Callable[[Session, Inputs], bool]
    report: Callable[[Path, Inputs], Path]


def execute(
    experiment: Experiment,
    request: cli.Request,
    load: Load = load_network,
    stop: Callable[[], int] | None = None,
    step: "Step | None" = None,
) -> int:
    """Runs or resumes; everything of the user's is checked before anything is written.

    Args:
        load: config -> network, and what run.json says of its weights.
        stop: asked after every step, the number of a signal or 0; by default the run listens for
            signals itself, which only the main thread can.
        step: see `minimize`.

    Returns:
        The exit status: 0, or 128 and the number of the signal that stopped it.

    Raises:
        InputError: besides, if another run is at work in the folder, or it cannot be written.
    """
    import jax

    from styleinv import compilation, lock, memory, record, rows, tensorboard
    from styleinv.environment import environment
    from styleinv.interrupt import interruptible

    # Refused first is what needs no look at the user's files.
    config = request.config
    check(experiment, config)
    settings = asdict(config)
    folder = request.workdir or record.default_folder(experiment.name, request.name)
    record.belongs(folder, experiment.name, settings)
    patience = PATIENCE if stop else 0
    lock.refuse_held(folder, patience)
    if record.finished(folder) and (folder / "report.html").is_file():
        refuse_other_photos(config, folder)
        return _already(folder)
    if config.tensorboard:
        tensorboard.require()
    # Then the files are looked at, all of them.
    inputs = experiment.find(config)
    check_start(config)
    files = listed(config, inputs.contents, list(inputs.sources.values()))
    refuse_others(folder, files)
    if record.finished(folder):  # killed before its very last file
        with lock.hold(folder, patience), say_kept(request, folder):
            return _finish(experiment, folder, inputs)
    # Then the network is loaded, and what was measured with it.
    refuse_large(config)
    if not config.network.rematerialize:
        memory.keep_freed()
    compilation.keep_compiled()
    network, weights = load(config)
    digest = weights["digest"]
    if config.style.debias:
        debias.check_sources(config, digest, inputs.sources)
        known = {}
    else:
        known = targets.read_files(config, digest, inputs.sources, folder)
    if config.network.split and step is None:
        step = rows.Rows(jax.local_devices()).step
    info = {"experiment": experiment.name, "config": request.name, "command": request.command}
    info |= {"weights": weights, **files} | environment()
    # From here on the folder is this run's own, and is written to.
    with (
        nullcontext(stop) if stop else interruptible() as stop,
        lock.hold(folder, patience, stop),
        say_kept(request, folder),
    ):
        if record.finished(folder):  # meanwhile, by the one that was waited for
            return _finish(experiment, folder, inputs)
        LOG.info("run folder %s", folder)
        with record.Record(folder, settings, info, events=config.tensorboard) as run:
            if experiment.work(Session(config, network, digest, known, run, stop, step), inputs):
                return 0
            run.close("interrupted")
    return cli.stopped(request, folder, stop())


def check(experiment: Experiment, config: Config) -> None:
    """Raises an InputError for a config that the experiment cannot carry out."""
    validate(config)
    if config.dataset.unreadable != "refuse":
        raise InputError(
            f"config.dataset.unreadable (={config.dataset.unreadable}) is for "
            "`python -m experiments.measure`; leave it out"
        )
    experiment.check(config)
    if config.style.debias:
        debias.check(config)


@contextmanager
def say_kept(request: cli.Request, folder: Path) -> Iterator[None]:
    """Adds to a DiskError what of the run is kept, and how it goes on."""
    from styleinv import record

    try:
        yield
    except DiskError as error:
        kept, again = record.kept(folder), cli.again(request, folder)
        raise DiskError(error.what, f"{kept}; to go on once it can be: {again}") from None


def _finish(experiment: Experiment, folder: Path, inputs: Inputs) -> int:
    """What a run that was killed at its very end has still to do."""
    from styleinv import record

    record.tidy(folder)
    if not (folder / "report.html").is_file():
        experiment.report(folder, inputs)
    return _already(folder)


def _already(folder: Path) -> int:
    print(f"{folder} holds this run, finished: see {folder / 'report.html'}")
    return 0
