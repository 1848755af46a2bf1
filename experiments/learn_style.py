"""Dataset -> the one style image that explains it; or one for each of its regions.

    python -m experiments.learn_style --config=anime
    python -m experiments.learn_style --config=anime --config.dataset.path=my/pictures
    python -m experiments.learn_style --config=anime_masked

The libraries are imported where a run begins, so that `--help` and mistakes are answered at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments import apart, cli, debias, session, targets
from experiments.contents import find_contents
from experiments.inputs import note_rank, seen_at, stages_of
from experiments.layout import find_layout, placed_at, shape_of
from experiments.optimize import Task, image_name, optimize
from experiments.problem import Problem, Styles, objective, start_image, style_part
from experiments.session import Inputs, Session
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np


class Portrait(NamedTuple):
    """One style image to learn.

    Attributes:
        name: what its files' names end with, "" if it is the only one.
        regions: whose style it shows.
        seed: of its noise.
    """

    name: str
    regions: tuple[str, ...]
    seed: int

    @property
    def snapshots(self) -> str:
        """What the names of its snapshots begin with."""
        return f"{self.name}_seed{self.seed}" if self.name else f"seed{self.seed}"


def execute(request: cli.Request) -> int:
    """Runs or resumes; see `session.execute`."""
    return session.execute(EXPERIMENT, request)


def check(config: Config) -> None:
    """Raises an InputError for what learn_style has no use for."""
    content, start = config.content, config.start.image
    of_transfers = {
        "path": content.path and not config.style.debias,
        "masks": content.masks,
        "original_colors": content.original_colors != "no",
        "bits": content.bits,
    }
    if given := [name for name, value in of_transfers.items() if value]:
        raise InputError(
            f"config.content.{given[0]} is for `python -m experiments.transfer`; learn_style has "
            "photos only for config.style.debias, and takes them as they are; leave it out"
        )
    if start == "content":
        raise InputError(
            "config.start.image (=content) is for a transfer, which starts from its photo; "
            "choose noise, or a picture"
        )
    if start != "noise" and len(config.seeds) > 1:
        raise InputError(
            f"config.seeds has {len(config.seeds)} seeds of noise, and config.start.image "
            f"(={start}) is none: all would be the same; give one seed"
        )
    if config.style.debias and config.dataset.region != ("all",):
        raise InputError("config.style.debias is for whole pictures here; set dataset.region=all")


def find(config: Config) -> Inputs:
    """The pictures of each region, and where the regions of the style image are."""
    layout = find_layout(config)
    regions = tuple(layout) or config.dataset.region
    sources = targets.check_sources(config, targets.choose_sources(config, {r: r for r in regions}))
    for region in regions:
        if region not in sources:
            column = "" if region == "rest" else f"add a column mask_{region} to the manifest, or "
            raise InputError(
                f"there is no style for the region {region}; "
                f"{column}write --config.dataset={region}=FILE"
            )
    note_rank(config)
    contents = find_contents(config) if config.style.debias else ()
    return Inputs(sources, contents, layout)


def portraits(config: Config, inputs: Inputs) -> list[Portrait]:
    """The style images, by region and then by seed."""
    together = inputs.layout or len(inputs.sources) == 1
    groups = {"": tuple(inputs.sources)} if together else {k: (k,) for k in inputs.sources}
    return [
        Portrait(name, regions, seed) for name, regions in groups.items() for seed in config.seeds
    ]


def work(opened: Session, inputs: Inputs) -> bool:
    """Every style image, and what they have come to; False if stopped."""
    config = opened.config
    if config.style.debias and not write_expected(opened, inputs):
        return False
    styles = opened.obtain(inputs.sources)
    if styles is None:
        return False
    every = portraits(config, inputs)

    def one(own: Session, task: Task) -> bool:
        return learn(own, task, problem_of(own, every[task.index], styles, inputs.layout))

    tasks = [task_of(config, index, portrait) for index, portrait in enumerate(every)]
    if not apart.work_on(opened, tasks, one):
        return False
    conclude(opened, inputs, every, styles)
    return True


def task_of(config: Config, index: int, portrait: Portrait) -> Task:
    """A style image in the making, with what the log and its lines say of it."""
    title = " ".join(
        ["learning", *([portrait.name] if portrait.name else [])]
        + ([f"seed {portrait.seed}"] if config.seeds[1:] else [])
    )
    facts = {"seed": portrait.seed} | ({"region": portrait.name} if portrait.name else {})
    return Task(index, portrait.snapshots, title, facts)


def learn(opened: Session, task: Task, problem: Problem) -> bool:
    """One style image, of which no frame is in memory afterwards; False if stopped."""
    finished = False
    for frame in optimize(opened, task, problem):
        finished = frame.count == sum(opened.config.steps)
    return finished


def write_expected(opened: Session, inputs: Inputs) -> bool:
    """The style file of what the filter is expected to make of the photos; False if stopped."""
    from styleinv import photo

    (source,) = inputs.sources.values()
    if (opened.run.folder / source.own).is_file():
        return True
    changes = debias.obtain(opened, inputs.sources)
    if changes is None:
        return False
    photos = (
        debias.Photograph(photo.read(each.item.path).image, {}, each.name)
        for each in inputs.contents
    )
    return debias.write_styles(opened, inputs.sources, changes, photos)


def problem_of(
    opened: Session, portrait: Portrait, styles: Styles, layout: "Mapping[str, np.ndarray]"
) -> Problem:
    """Noise, pulled towards the dataset's style and towards smoothness."""
    from styleinv.objective import RegionsTerm

    config, network = opened.config, opened.network
    own = {region: styles[region] for region in portrait.regions}

    def start(resolution):
        return start_image(config, own, resolution, shape_of(layout, resolution), portrait.seed)

    parts, dispersion = {}, {}
    for resolution in (stage.resolution for stage in stages_of(config)):
        term = style_part(
            config, network, own, placed_at(config, layout, resolution), start, resolution
        )
        parts[resolution] = objective(config, term)
        seen = {k: found[seen_at(config, resolution)] for k, found in own.items()}
        if isinstance(term, RegionsTerm):
            dispersion[resolution] = term.dispersion(seen)
        else:
            dispersion[resolution] = term.dispersion(seen[portrait.regions[0]])

    def problem_at(resolution):
        return network, parts[resolution]

    return Problem(start, problem_at, dispersion.__getitem__)


def conclude(opened: Session, inputs: Inputs, every: Sequence[Portrait], styles: Styles) -> None:
    """The style images, results.json and the report; the distances are those of the saved files."""
    from styleinv import evaluate

    config, run = opened.config, opened.run
    names = dict.fromkeys(portrait.name for portrait in every)
    pictures = [
        conclude_one(opened, inputs, [p for p in every if p.name == name], styles) for name in names
    ]
    kept = ("loss", "style", "tv", "dispersion", "per_image")
    numbers = {key: evaluate.average([each[key] for each in pictures]) for key in kept}
    tables = [table for each in pictures for table in each["regions"].values()]
    bests = {each["best_seed"] for each in pictures}
    results = {
        "resolution": config.resolution,
        "statistic": config.style.statistic,
        "linear": numbers["dispersion"] is not None,
        **numbers,
        "seeds": [seed for each in pictures for seed in each["seeds"]],
        "best_seed": bests.pop() if len(bests) == 1 else None,
        **evaluate.average_tables(tables),
    }
    run.write("results.json", results | {"pictures": pictures})
    run.close("finished")
    page = write_report(run.folder, inputs)
    files = ", ".join(str(run.folder / each["image"]) for each in pictures)
    print(f"style image: {files}\nreport:      {page}")


def conclude_one(
    opened: Session, inputs: Inputs, own: Sequence[Portrait], styles: Styles
) -> dict[str, Any]:
    """Keeps the best of the seeds as the style image; its row of results.json."""
    from styleinv import evaluate, images, objective
    from styleinv.journal import read_metrics

    config, run, network = opened.config, opened.run, opened.network
    regions, name = own[0].regions, own[0].name
    seeds = [portrait.seed for portrait in own]
    lines = read_metrics(run.folder / "metrics.jsonl")
    last = {line["seed"]: line for line in lines if line.get("region", "") == name}
    best = min((last[seed] for seed in seeds), key=lambda line: line["loss"])
    picture = {p.seed: f"images/{image_name(p.snapshots, last[p.seed]['step'])}.png" for p in own}
    file = f"style_{name}.png" if name else "style.png"
    run.write(file, images.read_bytes(run.folder / picture[best["seed"]]))
    learned = images.read(run.folder / file)

    resolution, statistic = config.resolution, config.style.statistic
    shape = shape_of(inputs.layout, resolution)
    mine = {region: styles[region] for region in regions}
    noise = start_image(config, mine, resolution, shape, best["seed"])
    placed = placed_at(config, inputs.layout, resolution)
    tables = {}
    for region in regions:
        style = styles[region][seen_at(config, resolution)]
        masks = placed[region].masks if placed else None
        known = [k for k in style_layers(config) if style.moments[k].weight]
        known = [k for k in known if masks is None or k in masks]
        aims = objective.style_targets(style, known, statistic)
        columns = {
            "noise": evaluate.relative_distances(network, noise, aims, statistic, masks),
            "typical": evaluate.relative_spread(style, aims, statistic),
            "learned": evaluate.relative_distances(network, learned, aims, statistic, masks),
        }
        tables[region] = evaluate.table(columns, tuple(aims))
    loss, dispersion = best["values"]["style"], best["dispersion"]
    return {
        "name": name,
        "image": file,
        "loss": best["loss"],
        "style": loss,
        "tv": best["values"].get("tv", 0.0),
        "dispersion": dispersion,
        "per_image": None if dispersion is None else loss + dispersion,
        "seeds": [
            {"seed": seed, "loss": line["loss"], "style": line["values"]["style"]}
            | ({"region": name} if name else {})
            | {"image": picture[seed]}
            for seed, line in last.items()
        ],
        "best_seed": best["seed"],
        "regions": tables,
    }


def write_report(folder: Path, inputs: Inputs) -> Path:
    """report.html of a run, beside the pictures that it learned from."""
    from styleinv.pages import page, report

    share = 1 / len(inputs.sources)
    weights: dict[tuple[str, Path], float] = {}
    for item in (item for source in inputs.sources.values() for item in source.items):
        key = item.name, item.path
        weights[key] = weights.get(key, 0) + share * item.weight
    references = [page.Reference(*key, weight) for key, weight in weights.items()]
    return report.write_report(folder, references)


EXPERIMENT = session.Experiment(
    "learn_style",
    "Learns the one style image that explains a set of pictures.",
    check,
    find,
    work,
    write_report,
)

if __name__ == "__main__":
    cli.run(EXPERIMENT.name, EXPERIMENT.title, execute)
