"""Dataset -> the one style image that explains it.

    python -m experiments.learn_style --config=anime
    python -m experiments.learn_style --config=anime --config.dataset.path=my/pictures

The libraries are imported where a run begins, so that `--help` and mistakes are answered at once.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli
from experiments.validate import style_layers, validate
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    from styleinv.dataset import Checked, Item
    from styleinv.record import Record
    from styleinv.style import Style
    from styleinv.style_file import Origin
    from styleinv.synthesize import Stage
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
        print(f"{folder} holds this run, finished: see {folder / 'report.html'}")
        return 0
    if config.tensorboard:
        tensorboard.require()
    items = find_items(config)
    checked = dataset.check(items, config.dataset.region)
    warn_of_small(config, items, checked)
    compilation.keep_compiled()
    network, weights = load_network(config)
    origin = origin_of(config, weights["digest"], items, checked)
    info = {"experiment": "learn_style", "config": request.name, "command": request.command}
    info |= {"weights": weights} | record.environment()
    with (
        interruptible() as stop,
        record.Record(folder, settings, info, events=config.tensorboard) as run,
    ):
        styles = obtain_styles(config, network, origin, items, run, stop)
        seeds = range(len(config.seeds))
        if styles and all(learn(config, network, styles, run, i, stop) for i in seeds):
            conclude(config, network, styles, items, run)
            return 0
        run.close("interrupted")
    again = request.command if request.workdir else f"{request.command} --workdir={folder}"
    print(f"stopped; to go on: {again}")
    return 128 + stop()


def find_items(config: Config) -> list["Item"]:
    """The dataset's pictures, with weights that sum to 1."""
    from styleinv import dataset

    items = dataset.find(config.dataset.path)
    if config.dataset.weights:
        items = dataset.reweigh(items, config.dataset.weights)
    return dataset.shares(dataset.subset(items, config.dataset.size, config.dataset.seed))


def warn_of_small(config: Config, items: Sequence["Item"], checked: Sequence["Checked"]) -> None:
    """Says which pictures have fewer pixels than they are looked at with."""
    small = [
        item.name
        for item, one in zip(items, checked, strict=True)
        if one.height * one.width < config.resolution**2
    ]
    if small:
        LOG.warning(
            "%d of %d images are enlarged to %d px, and look blurred: %s%s",
            len(small),
            len(items),
            config.resolution,
            ", ".join(small[:5]),
            ", ..." if len(small) > 5 else "",
        )


def load_network(config: Config) -> tuple["VGG", dict[str, Any]]:
    """The network, and what run.json says of its weights."""
    from styleinv import weights
    from styleinv.vgg import VGG

    loaded = weights.load(config.network.weights, config.network.name)
    deepest = style_layers(config)[-1]
    if deepest.replace("relu", "conv") not in loaded.kernels:
        last = list(loaded.kernels)[-1].replace("conv", "relu")
        raise InputError(
            f"config.network.weights (={config.network.weights}) end at {last}; "
            "choose config.style.layers up to there"
        )
    network = VGG(
        loaded.kernels,
        loaded.biases,
        loaded.matrix,
        loaded.offset,
        deepest=deepest,
        pooling=config.network.pooling,
        padding=config.network.padding,
        convolution=config.network.convolution,
    )
    about = {"name": loaded.name, "digest": loaded.digest, "credit": loaded.credit}
    return network, about | {"random": loaded.family == "random"}


def origin_of(
    config: Config, digest: str, items: Sequence["Item"], checked: Sequence["Checked"]
) -> "Origin":
    """What the header of the style file says."""
    from styleinv.style_file import Origin

    images = tuple(
        {"name": item.name, "sha256": one.digest, "weight": item.weight}
        for item, one in zip(items, checked, strict=True)
    )
    network = config.network
    return Origin(
        network.name, digest, network.pooling, network.padding, config.dataset.region, images
    )


def obtain_styles(
    config: Config,
    network: "VGG",
    origin: "Origin",
    items: Sequence["Item"],
    run: "Record",
    stop: Callable[[], int],
) -> dict[int, "Style"] | None:
    """The target styles: those of a given file, or the dataset's; None if stopped.

    What the run uses is always read back from its own style.safetensors, so that a resumed run has
    the very same numbers.
    """
    from styleinv import style_file
    from styleinv.survey import survey
    from styleinv.vgg import PIXELS

    layers = (PIXELS, *style_layers(config))
    resolutions = [stage.resolution for stage in stages_of(config)]

    def read(path: Path) -> tuple[dict[int, "Style"], "Origin"]:
        styles, made = style_file.load(path)
        selected = style_file.select(
            styles, made, path, wanted=origin, layers=layers, resolutions=resolutions
        )
        return selected, made

    own = run.folder / "style.safetensors"
    if config.style.file and not own.is_file():
        style_file.save(own, *read(Path(config.style.file)))
    elif not own.is_file():
        styles = survey(network, items, layers, resolutions, config.dataset.region, stop)
        if styles is None:
            return None
        style_file.save(own, styles, origin)
    styles, made = read(own)
    if not config.style.file and made.images != origin.images:
        raise InputError(f"{own} is of other images than there are now; name a new --workdir")
    return styles


def stages_of(config: Config) -> list["Stage"]:
    """Coarse to fine, each at twice the resolution of the one before."""
    from styleinv.synthesize import Stage

    last = len(config.steps) - 1
    return [Stage(config.resolution // 2 ** (last - i), n) for i, n in enumerate(config.steps)]


def learn(
    config: Config,
    network: "VGG",
    styles: Mapping[int, "Style"],
    run: "Record",
    index: int,
    stop: Callable[[], int],
) -> bool:
    """One seed, to images/seedN.png; False if stopped before its end."""
    from styleinv import minimize, objective, progress, statistics
    from styleinv.noise import white_noise
    from styleinv.parameters import PARAMETERS
    from styleinv.synthesize import synthesize
    from styleinv.vgg import PIXELS

    seed, stages, statistic = config.seeds[index], stages_of(config), config.style.statistic
    done_seeds, position = run.resume or (0, None)
    if index < done_seeds:
        return True
    if index > done_seeds:
        position = None

    def start(resolution):
        pixels = styles[resolution].moments[PIXELS]
        kind, contrast = config.start.noise, config.start.contrast
        return white_noise(kind, contrast, seed, resolution, resolution, pixels)

    def weights_at(resolution):
        """The layers' weights, and the constant that the dispersion adds to the style loss."""
        style = without_pixels(styles[resolution])
        targets = objective.style_targets(style, statistic)
        begin = None
        if config.style.layer_weights == "equalized":
            begin = objective.image_targets(network, start(resolution), tuple(targets), statistic)
        weights = objective.layer_weights(
            config.style.layer_weights, targets, factors=config.style.layer_factors, start=begin
        )
        spread = statistics.STATISTICS[statistic].spread
        if spread is None:
            return targets, weights, None
        floor = sum(float(w) * float(spread(style.moments[k])) for k, w in weights.items())
        return targets, weights, floor

    at = {stage.resolution: weights_at(stage.resolution) for stage in stages}

    def problem_at(resolution):
        targets, weights, _ = at[resolution]
        terms = {"style": objective.StyleTerm(targets, weights, statistic)}
        if config.tv:
            terms["tv"] = objective.TotalVariationTerm(config.tv)
        return network, objective.Objective(terms)

    def solver_for(steps):
        if config.optimizer.name == "adam":
            return minimize.Adam(config.optimizer.learning_rate, steps)
        return minimize.LBFGS(config.optimizer.memory)

    before = [0]
    for stage in stages:
        before.append(before[-1] + stage.steps)
    work = [stage.resolution**2 for stage in stages]  # of one step, for the time left
    title = "learning" if len(config.seeds) == 1 else f"learning seed {seed}"
    parameters = PARAMETERS[config.optimizer.parameters]
    total = sum(w * stage.steps for w, stage in zip(work, stages, strict=True))
    with progress.bar(title, total) as bar:
        if position:
            bar.skip(sum(work[i] * stages[i].steps for i in range(position.stage)))
            bar.skip(work[position.stage] * position.step)
        frames = synthesize(problem_at, start, stages, parameters, solver_for, resume=position)
        for frame in frames:
            step = before[frame.stage] + frame.step
            number = before[-1] * index + step
            line = {"seed": seed, "seed_index": index, "step": step}
            line |= {"stage": frame.stage, "resolution": frame.resolution, "stage_step": frame.step}
            line |= {"loss": frame.snapshot.loss, "values": frame.snapshot.values}
            run.step(number, line | {"dispersion": at[frame.resolution][2]})
            last = step == before[-1]
            if last or step in config.snapshots:
                run.image(number, f"seed{seed}_step{step:05d}", frame.image)
            bar.advance(work[frame.stage], f"{frame.resolution} px  loss {frame.snapshot.loss:.5f}")
            stopped = stop() and not last
            if stopped or last or step % config.checkpoint_every == 0:
                run.checkpoint(number, index, frame.position)
            if stopped:
                return False
    return True


def without_pixels(style: "Style") -> "Style":
    """The style's layers of the network."""
    from styleinv.style import Style
    from styleinv.vgg import PIXELS

    return Style(style.resolution, {k: m for k, m in style.moments.items() if k != PIXELS})


def conclude(
    config: Config,
    network: "VGG",
    styles: Mapping[int, "Style"],
    items: Sequence["Item"],
    run: "Record",
) -> None:
    """style.png, results.json and the report; the numbers are those of the saved file."""
    from styleinv import evaluate, images, objective, report
    from styleinv.noise import white_noise
    from styleinv.record import read_metrics
    from styleinv.vgg import PIXELS

    last = {line["seed"]: line for line in read_metrics(run.folder / "metrics.jsonl")}
    best = min(last.values(), key=lambda line: line["loss"])
    picture = {seed: f"images/seed{seed}_step{line['step']:05d}.png" for seed, line in last.items()}
    run.write("style.png", images.read_bytes(run.folder / picture[best["seed"]]))
    learned = images.read(run.folder / "style.png")

    statistic, style = config.style.statistic, styles[config.resolution]
    targets = objective.style_targets(without_pixels(style), statistic)
    pixels, shape = style.moments[PIXELS], learned.shape[:2]
    noise = white_noise(config.start.noise, config.start.contrast, best["seed"], *shape, pixels)
    columns = {
        "noise": evaluate.relative_distances(network, noise, targets, statistic),
        "typical": evaluate.relative_spread(style, targets, statistic),
        "learned": evaluate.relative_distances(network, learned, targets, statistic),
    }
    if len(items) == 1 and not config.style.file:
        columns["typical"] = dict.fromkeys(targets)  # a picture is no distance from itself
    layers = {layer: {name: c[layer] for name, c in columns.items()} for layer in targets}
    total = {
        name: None if None in c.values() else sum(c.values()) / len(c)
        for name, c in columns.items()
    }
    dispersion, values = best["dispersion"], best["values"]
    results = {
        "resolution": config.resolution,
        "statistic": statistic,
        "linear": dispersion is not None,
        "loss": best["loss"],
        "style": values["style"],
        "tv": values.get("tv", 0.0),
        "dispersion": dispersion,
        "per_image": None if dispersion is None else values["style"] + dispersion,
        "total": total,
        "layers": layers,
        "seeds": [
            {"seed": seed, "loss": line["loss"], "style": line["values"]["style"]}
            | {"image": picture[seed]}
            for seed, line in last.items()
        ],
        "best_seed": best["seed"],
    }
    run.write("results.json", results)
    run.close("finished")
    references = [report.Reference(item.name, item.path, item.weight) for item in items]
    page = report.write_report(run.folder, references)
    print(f"style image: {run.folder / 'style.png'}\nreport:      {page}")


if __name__ == "__main__":
    cli.run("learn_style", "Learns the one style image that explains a set of pictures.", execute)
