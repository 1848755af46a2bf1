"""Pictures, however many -> style.safetensors; or one file for each region.

    python -m experiments.measure --config=anime --workdir=my/style
    python -m experiments.measure --config=anime --config.dataset=my/pictures --workdir=my/style

One pass over the files, which goes on where it was stopped. Several processes share the work
(docs/scale.md). `learn_style` and `transfer` take what comes out as --config.style=FILE.

The libraries are imported where a run begins, so that `--help` and mistakes are answered at once.
"""

import csv
import hashlib
import io
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments import cli, session, targets
from experiments.inputs import load_network, seen_at, stages_of, warn_of_masks, warn_of_small
from experiments.processes import FLAGS, launch_of, seconds
from experiments.targets import Source
from experiments.validate import style_layers, validate
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    from styleinv.manifest import Item
    from styleinv.measuring.hosts import Hosts
    from styleinv.measuring.part import Part
    from styleinv.measuring.parts import Kind, Parts
    from styleinv.measuring.sample import Plan
    from styleinv.measuring.tables import Table
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")


class Pass(NamedTuple):
    """A pass that is open.

    Attributes:
        sources: {region: source}, all of the same items.
        read: what reads their pictures, where they are not files of their own.
        info: what run.json says.
        every: seconds between checkpoints.
        stop: the number of the signal that it was sent, or 0.
    """

    config: Config
    sources: Mapping[str, Source]
    read: "Callable[[Item], bytes] | None"
    network: "VGG"
    info: dict[str, Any]
    folder: Path
    hosts: "Hosts"
    every: float
    stop: Callable[[], int]

    @property
    def items(self) -> Sequence["Item"]:
        """Of all sources."""
        return next(iter(self.sources.values())).items


def execute(request: cli.Request) -> int:
    """Runs or resumes; the exit status, see `session.execute`."""
    from styleinv import compilation, files, lock, record
    from styleinv.environment import environment
    from styleinv.interrupt import interruptible
    from styleinv.measuring import hosts

    config, launch = request.config, launch_of(request)
    every, patience = (seconds(request, flag) for flag in ("every", "patience"))
    validate(config)
    folder = request.workdir or record.default_folder("measure", request.name)
    record.belongs(folder, "measure", asdict(config))
    if record.finished(folder):
        shutil.rmtree(folder / "parts", ignore_errors=True)  # of one killed at its very end
        files.remove_unfinished(folder)
        print(f"{folder} holds this run, finished")
        return 0
    table = find_table(config)
    sources = find(config, table)
    compilation.keep_compiled()
    with (
        interruptible() as stop,
        session.say_kept(request, folder),
        hosts.join(folder, launch, patience) as others,
        lock.hold(folder) if others.place.process == 0 else nullcontext(),
    ):
        network, weights = load_network(config)
        info = {"experiment": "measure", "config": request.name, "command": request.command}
        info |= {"weights": weights} | environment()
        if work(
            Pass(config, sources, table and table.read, network, info, folder, others, every, stop)
        ):
            return 0
        others.show(hosts.FAILED, "it was interrupted")
    return cli.stopped(request, folder, stop())


def find_table(config: Config) -> "Table | None":
    """The pictures that are in tar files, tables or nested folders; None where they are not.

    Raises:
        InputError: for what they cannot have.
    """
    from styleinv.measuring import tables

    path = Path(config.dataset.path)
    layout = tables.layout_of(path)
    if not layout:
        return None
    if config.dataset.region != ("all",) or config.dataset.masks or config.dataset.weights:
        raise InputError(f"{path} has no masks, and its weights are its own column")
    return tables.find(path, layout)


def find(config: Config, table: "Table | None" = None) -> dict[str, Source]:
    """{region: source}; no picture is read.

    Raises:
        InputError: for what cannot be measured in one pass.
    """
    of_others = {"style.debias": config.style.debias, "dataset.originals": config.dataset.originals}
    of_others |= {"content.path": config.content.path, "content.masks": config.content.masks}
    of_others |= {"style.mode": config.style.mode != "full"}
    if idle := [name for name, value in of_others.items() if value]:
        raise InputError(f"config.{idle[0]} is for learn_style and transfer; leave it out")
    if table:
        from styleinv import dataset

        items = dataset.subset(table.items, config.dataset.size, config.dataset.seed)
        return {"all": Source("all", dataset.shares(items), (), None, "style.safetensors")}
    regions = config.dataset.region
    sources = targets.choose_sources(config, {region: region for region in regions})
    if given := [str(source.given) for source in sources.values() if source.given]:
        raise InputError(f"{given[0]} is measured already; give measure a folder of pictures")
    if missing := [region for region in regions if region not in sources]:
        raise InputError(f"there are no pictures of the region {missing[0]}: none has a mask")
    first, *others = sources.values()
    if any(other.items != first.items for other in others):
        raise InputError("the regions are of different pictures; measure one after the other")
    return sources


def work(opened: Pass) -> bool:
    """This process's share, and if it is the first, the style of all shares; False if stopped."""
    from styleinv import files
    from styleinv.measuring import parts
    from styleinv.measuring.hosts import FINISHED, READY

    hosts, folder = opened.hosts, opened.folder / "parts"
    plan = plan_of(opened)
    kind = kind_of(opened, plan)
    if hosts.place.process == 0:
        files.write_json(opened.folder / "config.json", asdict(opened.config))
        files.write_json(opened.folder / "run.json", opened.info | {"status": "running"})
        parts.begin(folder, kind, hosts.place.processes)
        hosts.show(READY)
    elif not hosts.wait(READY, range(1), opened.stop):
        return False
    kept = parts.Parts(folder, kind)
    if not measure(opened, plan, kept):
        return False
    if hosts.place.process == 0:
        if not hosts.wait(FINISHED, range(1, hosts.place.processes), opened.stop):
            return False
        conclude(opened, kept.total())
        hosts.show(FINISHED)
        kept.remove()
        files.remove_unfinished(opened.folder)
    return True


def plan_of(opened: Pass) -> "Plan":
    """What is measured of every picture."""
    from styleinv.measuring.sample import Plan
    from styleinv.vgg import PIXELS

    config = opened.config
    resolutions = [seen_at(config, stage.resolution) for stage in stages_of(config)]
    plan = Plan(
        (PIXELS, *style_layers(config)),
        tuple(resolutions),
        tuple(source.region for source in opened.sources.values()),
        config.style.propagation,
        opened.network.layers,
    )
    return replace(plan, read=opened.read) if opened.read else plan


def kind_of(opened: Pass, plan: "Plan") -> "Kind":
    """What tells the pass from others: the network's weights and the pictures, in their order."""
    from styleinv.measuring.parts import Kind
    from styleinv.measuring.sums import Sums

    digest = hashlib.sha256(opened.info["weights"]["digest"].encode())
    for item in opened.items:
        digest.update(f"{item.name}\0{item.weight!r}\0".encode("utf-8", "surrogateescape"))
    empty = partial(Sums.empty, plan.regions, plan.resolutions, plan.layers)
    return Kind(empty, len(opened.items), digest.hexdigest())


def measure(opened: Pass, plan: "Plan", kept: "Parts") -> bool:
    """This process's share; False if stopped.

    Raises:
        InputError: for a picture that cannot be used, or if another process is lost.
    """
    from styleinv import progress
    from styleinv.measuring.pipeline import measure_items

    hosts, stop = opened.hosts, opened.stop
    part, indices = kept.mine(hosts.place.process)
    saved = time.monotonic()

    def due():
        return time.monotonic() - saved >= opened.every or stop() or hosts.lost()

    skip, skipped = opened.config.dataset.unreadable == "skip", len(part.reasons)
    with progress.bar("measuring", len(indices), unit="images") as bar:
        bar.skip(part.position - len(part.pending))
        for advance in measure_items(
            opened.network, opened.items, indices, plan, part, skip=skip, settle=due
        ):
            bar.advance(advance.count + len(part.reasons) - skipped)
            skipped = len(part.reasons)
            if not advance.settled:
                continue
            kept.save(hosts.place.process, part)
            saved = time.monotonic()
            hosts.refuse_lost()
            if stop():
                return False
    return True


def conclude(opened: Pass, total: "Part") -> None:
    """The style files, skipped.csv and the end of run.json."""
    from styleinv import files, style_file
    from styleinv.dataset import Checked, shares
    from styleinv.measuring.part import DONE

    items, folder = opened.items, opened.folder
    if left := len(total.todo):
        raise InputError(f"{left} of {len(items)} images were left out; name a new --workdir")
    skipped = [(items[index].name, total.reasons[index]) for index in sorted(total.reasons)]
    files.write(folder / "skipped.csv", csv_of(("file_name", "reason"), skipped))
    there = [int(index) for index in (total.status == DONE).nonzero()[0]]
    if not there:
        raise InputError(f"none of the {len(items)} images can be used: {skipped[0][1]}")
    used = shares([items[index] for index in there])
    checked = [Checked(total.digests[i].tobytes().hex(), *map(int, total.sizes[i])) for i in there]
    warn_of_small(opened.config, used, checked, opened.config.style.scale)
    for region, covered in total.covered.items():
        warn_of_masks(region, used, covered[there])
    styles = total.sums.styles()
    for source in opened.sources.values():
        found = source._replace(items=used, checked=checked)
        origin = targets.origin_of(opened.config, opened.info["weights"]["digest"], found)
        style_file.save(folder / source.own, styles[source.region], origin)
        print(f"style: {folder / source.own}")
    if skipped:
        LOG.warning("%d of %d images are not in it, see skipped.csv", len(skipped), len(items))
    told = {"status": "finished", "images": len(used), "skipped": len(skipped)}
    files.write_json(folder / "run.json", opened.info | told)


def csv_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A file as `manifest` reads them."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    cli.run("measure", "Measures the style of a set of pictures of any size.", execute, FLAGS)
