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

from experiments import cli
from experiments.inputs import (
    find_items,
    load_network,
    note_rank,
    obtain_styles,
    origin_of,
    read_styles,
    refuse_narrow,
    stages_of,
    warn_of_small,
)
from experiments.validate import style_layers, validate
from styleinv.config import Config

if TYPE_CHECKING:
    from styleinv.dataset import Item
    from styleinv.record import Record
    from styleinv.style import Style
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")


def execute(request: cli.Request) -> int:
    """Runs or resumes; everything of the user's is checked before anything is written."""
    from styleinv import compilation, dataset, record, tensorboard
    from styleinv.interrupt import interruptible

    config = request.config
    validate(config)
    settings = asdict(config)
    folder = request.workdir or record.default_folder("learn_style", request.name)
    record.belongs(folder, settings)
    if record.finished(folder):
        if not (folder / "report.html").is_file():  # killed before its very last file
            write_report(folder, find_items(config))
        print(f"{folder} holds this run, finished: see {folder / 'report.html'}")
        return 0
    if config.tensorboard:
        tensorboard.require()
    items = find_items(config)
    checked = dataset.check(items, config.dataset.region)
    refuse_narrow(config, items, checked)
    warn_of_small(config, items, checked)
    note_rank(config)
    compilation.keep_compiled()
    network, weights = load_network(config)
    origin = origin_of(config, weights["digest"], items, checked)
    found = read_styles(config, origin, folder)
    info = {"experiment": "learn_style", "config": request.name, "command": request.command}
    info |= {"weights": weights} | record.environment()
    with (
        interruptible() as stop,
        record.Record(folder, settings, info, events=config.tensorboard) as run,
    ):
        LOG.info("run folder %s", folder)
        styles = obtain_styles(config, network, origin, items, found, run, stop)
        seeds = range(len(config.seeds))
        if styles and all(learn(config, network, styles, run, i, stop) for i in seeds):
            conclude(config, network, styles, items, run)
            return 0
        run.close("interrupted")
    again = request.command if request.workdir else f"{request.command} --workdir={folder}"
    print(f"stopped; to go on: {again}")
    return 128 + stop()


def learn(
    config: Config,
    network: "VGG",
    styles: Mapping[int, "Style"],
    run: "Record",
    index: int,
    stop: Callable[[], int],
) -> bool:
    """One seed, into the run's images and metrics; False if stopped before its end."""
    import jax.numpy as jnp

    from styleinv import progress
    from styleinv.minimize import LBFGS, Adam
    from styleinv.objective import Objective, Term, TotalVariationTerm, image_targets, style_term
    from styleinv.parameters import PARAMETERS
    from styleinv.synthesize import synthesize

    seed, stages, optimizer = config.seeds[index], stages_of(config), config.optimizer
    reached, position = run.resume or (0, None)
    if index < reached:
        return True
    if index > reached:
        position = None
    equalized = config.style.layer_weights == "equalized"

    def start(resolution):
        return start_image(config, styles[resolution], seed)

    def term_at(resolution):
        layers = style_layers(config)
        begin = None
        if equalized:
            begin = image_targets(network, start(resolution), layers, config.style.statistic)
        return style_term(
            styles[resolution],
            layers,
            config.style.statistic,
            config.style.layer_weights,
            factors=config.style.layer_factors,
            start=begin,
        )

    terms = {stage.resolution: term_at(stage.resolution) for stage in stages}
    dispersion = {r: term.dispersion(styles[r]) for r, term in terms.items()}

    def problem_at(resolution):
        parts: dict[str, Term] = {"style": terms[resolution]}
        if config.tv:
            parts["tv"] = TotalVariationTerm(jnp.float32(config.tv))
        return network, Objective(parts)

    def solver_for(steps):
        if optimizer.name == "adam":
            return Adam(optimizer.learning_rate, steps)
        return LBFGS(optimizer.memory)

    total = sum(stage.steps for stage in stages)
    work = [stage.resolution**2 for stage in stages]  # of one step, for the time left
    title = "learning" if len(config.seeds) == 1 else f"learning seed {seed}"
    with progress.bar(title, sum(w * s.steps for w, s in zip(work, stages, strict=True))) as bar:
        if position:
            bar.skip(sum(w * s.steps for w, s in zip(work[: position.stage], stages, strict=False)))
            bar.skip(work[position.stage] * position.step)
        for frame in synthesize(
            problem_at,
            start,
            stages,
            PARAMETERS[optimizer.parameters],
            solver_for,
            resume=position,
        ):
            number, last = total * index + frame.count, frame.count == total
            line = {"seed": seed, "seed_index": index, "step": frame.count}
            line |= {"stage": frame.stage, "resolution": frame.resolution, "stage_step": frame.step}
            line |= {"loss": frame.snapshot.loss, "values": frame.snapshot.values}
            run.step(number, line | {"dispersion": dispersion[frame.resolution]})
            if last or frame.count in config.snapshots:
                run.image(number, image_name(seed, frame.count), frame.image)
            bar.advance(work[frame.stage], f"{frame.resolution} px  loss {frame.snapshot.loss:.5f}")
            stopped = stop() and not last
            if stopped or last or frame.count % config.checkpoint_every == 0:
                run.checkpoint(number, index, frame.position)
            if stopped:
                return False
    return True


def start_image(config: Config, style: "Style", seed: int):
    """White noise at the style's resolution."""
    from styleinv.noise import white_noise
    from styleinv.vgg import PIXELS

    side, pixels = style.resolution, style.moments[PIXELS]
    return white_noise(config.start.noise, config.start.contrast, seed, side, side, pixels)


def image_name(seed: int, step: int) -> str:
    """Of a snapshot in images/, without the extension."""
    return f"seed{seed}_step{step:05d}"


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
    picture = {s: f"images/{image_name(s, line['step'])}.png" for s, line in last.items()}
    run.write("style.png", images.read_bytes(run.folder / picture[best["seed"]]))
    learned = images.read(run.folder / "style.png")

    style, statistic = styles[config.resolution], config.style.statistic
    targets = objective.style_targets(style, style_layers(config), statistic)
    noise = start_image(config, style, best["seed"])
    distances = {
        "noise": evaluate.relative_distances(network, noise, targets, statistic),
        "typical": evaluate.relative_spread(style, targets, statistic),
        "learned": evaluate.relative_distances(network, learned, targets, statistic),
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
    run.write("results.json", results | evaluate.table(distances, tuple(targets)))
    run.close("finished")
    page = write_report(run.folder, items)
    print(f"style image: {run.folder / 'style.png'}\nreport:      {page}")


def write_report(folder: Path, items: Sequence["Item"]) -> Path:
    """report.html of a run, beside the pictures that it learned from."""
    from styleinv import report

    references = [report.Reference(item.name, item.path, item.weight) for item in items]
    return report.write_report(folder, references)


if __name__ == "__main__":
    cli.run("learn_style", "Learns the one style image that explains a set of pictures.", execute)
