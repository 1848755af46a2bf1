"""Dataset -> the one style image that explains it.

    python -m experiments.learn_style --config=anime
    python -m experiments.learn_style --config=anime --config.dataset.path=my/pictures

The libraries are imported where a run begins, so that `--help` and mistakes are answered at once.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import cli, targets
from experiments.inputs import check_start, load_network, note_rank, refuse_large, stages_of
from experiments.optimize import Problem, Task, image_name, is_done, optimize
from experiments.validate import style_layers, validate
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    from styleinv.dataset import Item
    from styleinv.record import Record
    from styleinv.style import Style
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")


def execute(request: cli.Request) -> int:
    """Runs or resumes; everything of the user's is checked before anything is written."""
    from styleinv import compilation, memory, record, tensorboard
    from styleinv.interrupt import interruptible

    config = request.config
    validate(config)
    if config.content.path or config.start.image == "content":
        raise InputError(
            "config.content is for `python -m experiments.transfer`; learn_style has no photo"
        )
    settings = asdict(config)
    folder = request.workdir or record.default_folder("learn_style", request.name)
    record.belongs(folder, settings)
    if record.finished(folder) and (folder / "report.html").is_file():
        print(f"{folder} holds this run, finished: see {folder / 'report.html'}")
        return 0
    if config.tensorboard:
        tensorboard.require()
    (source,) = targets.find_sources(config, [config.dataset.region]).values()
    if record.finished(folder):  # killed before its very last file
        write_report(folder, source.items)
        return 0
    note_rank(config)
    check_start(config)
    refuse_large(config)
    memory.keep_freed()
    compilation.keep_compiled()
    network, weights = load_network(config)
    origin = targets.origin_of(config, weights["digest"], source)
    targets.read(config, source, origin, folder)
    info = {"experiment": "learn_style", "config": request.name, "command": request.command}
    info |= {"weights": weights} | record.environment()
    with (
        interruptible() as stop,
        record.Record(folder, settings, info, events=config.tensorboard) as run,
    ):
        LOG.info("run folder %s", folder)
        styles = targets.obtain(config, network, source, origin, run, stop)
        seeds = range(len(config.seeds))
        if styles and all(learn(config, network, styles, run, i, stop) for i in seeds):
            conclude(config, network, styles, source.items, run)
            return 0
        run.close("interrupted")
    return cli.stopped(request, folder, stop())


def learn(
    config: Config,
    network: "VGG",
    styles: Mapping[int, "Style"],
    run: "Record",
    index: int,
    stop: Callable[[], int],
) -> bool:
    """One seed, into the run's images and metrics; False if stopped before its end."""
    seed = config.seeds[index]
    title = "learning" if len(config.seeds) == 1 else f"learning seed {seed}"
    task = Task(index, f"seed{seed}", title, {"seed": seed})
    if is_done(config, run, task):
        return True
    problem = problem_of(config, network, styles, seed)
    finished = False
    for frame in optimize(config, run, task, problem, stop):
        finished = frame.count == sum(config.steps)
    return finished


def problem_of(config: Config, network: "VGG", styles: Mapping[int, "Style"], seed: int) -> Problem:
    """Noise, pulled towards the dataset's style and towards smoothness."""
    import jax.numpy as jnp

    from styleinv.objective import Objective, Term, TotalVariationTerm, image_targets, style_term

    layers, statistic = style_layers(config), config.style.statistic

    def start(resolution):
        return start_image(config, styles[targets.seen_at(config, resolution)], resolution, seed)

    def term_at(resolution):
        begin = None
        if config.style.layer_weights == "equalized":
            begin = image_targets(network, start(resolution), layers, statistic)
        return style_term(
            styles[targets.seen_at(config, resolution)],
            layers,
            statistic,
            config.style.layer_weights,
            factors=config.style.layer_factors,
            start=begin,
            weight=config.beta,
        )

    terms = {stage.resolution: term_at(stage.resolution) for stage in stages_of(config)}
    dispersion = {
        r: term.dispersion(styles[targets.seen_at(config, r)]) for r, term in terms.items()
    }

    def problem_at(resolution):
        parts: dict[str, Term] = {"style": terms[resolution]}
        if config.tv:
            parts["tv"] = TotalVariationTerm(jnp.float32(config.tv))
        return network, Objective(parts)

    return Problem(start, problem_at, dispersion.__getitem__)


def start_image(config: Config, style: "Style", resolution: int, seed: int):
    """f32[resolution, resolution, 3]: white noise, or the picture to start from."""
    from styleinv import images
    from styleinv.noise import white_noise
    from styleinv.vgg import PIXELS

    shape = resolution, resolution
    if config.start.image != "noise":
        return images.resize(images.read(config.start.image), *shape)
    pixels = style.moments[PIXELS]
    return white_noise(config.start.noise, config.start.contrast, seed, *shape, pixels)


def conclude(
    config: Config,
    network: "VGG",
    styles: Mapping[int, "Style"],
    items: Sequence["Item"],
    run: "Record",
) -> None:
    """style.png, results.json and the report; the distances are those of the saved file."""
    from styleinv import evaluate, images, objective
    from styleinv.journal import read_metrics

    last = {line["seed"]: line for line in read_metrics(run.folder / "metrics.jsonl")}
    best = min(last.values(), key=lambda line: line["loss"])
    picture = {s: f"images/{image_name(f'seed{s}', line['step'])}.png" for s, line in last.items()}
    run.write("style.png", images.read_bytes(run.folder / picture[best["seed"]]))
    learned = images.read(run.folder / "style.png")

    style = styles[targets.seen_at(config, config.resolution)]
    statistic = config.style.statistic
    aims = objective.style_targets(style, style_layers(config), statistic)
    noise = start_image(config, style, config.resolution, best["seed"])
    distances = {
        "noise": evaluate.relative_distances(network, noise, aims, statistic),
        "typical": evaluate.relative_spread(style, aims, statistic),
        "learned": evaluate.relative_distances(network, learned, aims, statistic),
    }
    loss, dispersion = best["values"]["style"], best["dispersion"]
    results = {
        "resolution": config.resolution,
        "statistic": statistic,
        "linear": dispersion is not None,
        "loss": best["loss"],
        "style": loss,
        "tv": best["values"].get("tv", 0.0),
        "dispersion": dispersion,
        "per_image": None if dispersion is None else loss + dispersion,
        "seeds": [
            {"seed": seed, "loss": line["loss"], "style": line["values"]["style"]}
            | {"image": picture[seed]}
            for seed, line in last.items()
        ],
        "best_seed": best["seed"],
    }
    run.write("results.json", results | evaluate.table(distances, tuple(aims)))
    run.close("finished")
    page = write_report(run.folder, items)
    print(f"style image: {run.folder / 'style.png'}\nreport:      {page}")


def write_report(folder: Path, items: Sequence["Item"]) -> Path:
    """report.html of a run, beside the pictures that it learned from."""
    from styleinv import page, report

    references = [page.Reference(item.name, item.path, item.weight) for item in items]
    return report.write_report(folder, references)


if __name__ == "__main__":
    cli.run("learn_style", "Learns the one style image that explains a set of pictures.", execute)
