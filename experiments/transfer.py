"""Content + style -> stylized picture.

    python -m experiments.transfer --config=transfer --config.content=photo.jpg
    python -m experiments.transfer --config=transfer --config.content=photo.jpg --config.style=a.jpg

The libraries are imported where a run begins, so that `--help` and mistakes are answered at once.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli, targets
from experiments.contents import (
    Content,
    find_contents,
    find_sources,
    output_name,
    put_back,
    recolored,
    region_masks,
    view,
)
from experiments.inputs import check_start, load_network, refuse_large, stages_of
from experiments.optimize import Problem, Task, is_done, optimize
from experiments.targets import Source, seen_at
from experiments.validate import style_layers, validate
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from styleinv.objective import Objective
    from styleinv.photo import Photo
    from styleinv.record import Record
    from styleinv.style import Style
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")
Styles = Mapping[str, Mapping[int, "Style"]]  # {region: {resolution: style}}


def execute(request: cli.Request) -> int:
    """Runs or resumes; everything of the user's is checked before anything is written."""
    from styleinv import compilation, memory, record, tensorboard
    from styleinv.interrupt import interruptible

    config = request.config
    validate(config)
    if not config.content.path:
        raise InputError("there is no photo to restyle; give one: --config.content=photo.jpg")
    seed, *more = config.seeds
    if more:
        raise InputError(f"config.seeds has {len(config.seeds)} seeds; a transfer takes one")
    settings = asdict(config)
    folder = request.workdir or record.default_folder("transfer", request.name)
    record.belongs(folder, settings)
    if record.finished(folder) and (folder / "report.html").is_file():
        print(f"{folder} holds this run, finished: see {folder / 'report.html'}")
        return 0
    if config.tensorboard:
        tensorboard.require()
    contents = find_contents(config)
    sources = find_sources(config, contents)
    if record.finished(folder):  # killed before its very last file
        write_report(folder, contents, sources)
        return 0
    check_start(config)
    refuse_large(config)
    memory.keep_freed()
    compilation.keep_compiled()
    network, weights = load_network(config)
    for source in sources.values():
        targets.read(config, source, targets.origin_of(config, weights["digest"], source), folder)
    info = {"experiment": "transfer", "config": request.name, "command": request.command}
    info |= {"weights": weights} | record.environment()
    with (
        interruptible() as stop,
        record.Record(folder, settings, info, events=config.tensorboard) as run,
    ):
        LOG.info("run folder %s", folder)
        for index, content in enumerate(contents):
            facts = {"seed": seed, "content": content.name, "alpha": content.alpha}
            task = Task(index, content.name, f"restyling {content.name}", facts)
            if is_done(config, run, task):
                continue
            if not restyle(config, network, weights["digest"], content, sources, run, task, stop):
                break
        else:
            conclude(config, contents, sources, run)
            return 0
        run.close("interrupted")
    return cli.stopped(request, folder, stop())


def restyle(
    config: Config,
    network: "VGG",
    digest: str,
    content: Content,
    sources: Mapping[str, Source],
    run: "Record",
    task: Task,
    stop: Callable[[], int],
) -> bool:
    """One photograph, into the run's images and metrics; False if stopped before its end."""
    from styleinv import colors, images, photo

    taken = photo.read(content.item.path)
    for note in taken.notes:
        LOG.warning("%s: %s", content.item.name, note)
    styles = {}
    for region in content.regions:
        if region not in sources:
            LOG.info("%s: there is no style for the %s: it stays as it is", task.name, region)
            continue
        source = recolored(config, sources[region], content, taken)
        origin = targets.origin_of(config, digest, source)
        found = targets.obtain(config, network, source, origin, run, stop)
        if found is None:
            return False
        styles[region] = found
    problem = problem_of(config, network, content, taken, styles)
    finished = False
    for frame in optimize(config, run, task, problem, stop):
        finished = frame.count == sum(config.steps)
        if finished:
            image = put_back(frame.image, taken.image, content, styles)
            if config.content.original_colors == "luminance":
                image = colors.with_colors_of(image, view(taken.image, config.resolution))
            bits = config.content.bits or taken.bits
            output = run.write(output_name(config, content), photo.encode_png(image, taken, bits))
            row = {"name": content.name, "photo": content.item.name}
            row |= {"output": str(output.relative_to(run.folder)), "loss": frame.snapshot.loss}
            row |= {k: v for k, v in frame.snapshot.values.items() if "/" not in k}
            objective, seen = problem.at(config.resolution)[1], view(taken.image, config.resolution)
            row |= measured(config, network, objective, seen, images.read(output))
            run.write(f"results/{content.name}.json", row)
    return finished


def problem_of(
    config: Config, network: "VGG", content: Content, taken: "Photo", styles: Styles
) -> Problem:
    """The photograph, held to its content and pulled towards the styles of its regions."""
    import jax.numpy as jnp

    from styleinv import colors
    from styleinv.objective import (
        ContentTerm,
        Objective,
        RegionsTerm,
        StyleTerm,
        Term,
        TotalVariationTerm,
        content_term,
        image_targets,
        style_term,
    )
    from styleinv.vgg import extract

    layers, statistic = style_layers(config), config.style.statistic
    luminance = config.content.original_colors == "luminance"
    held = colors.luminance(taken.image) if luminance else taken.image

    def start(resolution):
        return start_image(config, view(held, resolution), styles, resolution)

    def content_at(resolution) -> ContentTerm:
        photo = jnp.asarray(view(held, resolution))
        features = extract(network, photo, tuple(config.content.layers))
        return content_term(features, config.content.normalization, content.alpha)

    def style_at(resolution) -> StyleTerm | RegionsTerm:
        masks = region_masks(content, taken.image.shape[:2], layers, resolution)
        terms = {}
        for region, found in styles.items():
            inside, share = masks[region] if masks else (None, 1.0)
            begin = None
            if config.style.layer_weights == "equalized":
                begin = image_targets(network, start(resolution), layers, statistic, inside)
            terms[region] = style_term(
                found[seen_at(config, resolution)],
                layers,
                statistic,
                config.style.layer_weights,
                factors=config.style.layer_factors,
                start=begin,
                weight=config.beta * share,
                masks=inside,
            )
        return RegionsTerm(terms) if masks else terms[content.regions[0]]

    parts: dict[int, dict[str, Term]] = {}
    for stage in stages_of(config):
        r = stage.resolution
        parts[r] = {"content": content_at(r), "style": style_at(r)}
        if config.tv:
            parts[r]["tv"] = TotalVariationTerm(jnp.float32(config.tv))

    def problem_at(resolution):
        return network, Objective(parts[resolution])

    return Problem(start, problem_at, lambda resolution: None)


def start_image(
    config: Config, photo: "np.ndarray", styles: Styles, resolution: int
) -> "np.ndarray":
    """f32[h, w, 3]: the photograph, noise in the style's colors, or a given picture."""
    from styleinv import images
    from styleinv.noise import white_noise
    from styleinv.style import mix
    from styleinv.vgg import PIXELS

    if config.start.image == "content":
        return photo
    height, width = photo.shape[:2]
    if config.start.image != "noise":
        return images.resize(images.read(config.start.image), height, width)
    seen, start = seen_at(config, resolution), config.start
    pixels = mix(found[seen] for found in styles.values()).moments[PIXELS]
    return white_noise(start.noise, start.contrast, config.seeds[0], height, width, pixels)


def measured(
    config: Config, network: "VGG", objective: "Objective", photo: "np.ndarray", image: "np.ndarray"
) -> dict[str, Any]:
    """How far the photo and the stylized picture are from the style, by region and layer."""
    from styleinv import colors, evaluate
    from styleinv.objective import RegionsTerm

    if config.content.original_colors == "luminance":
        photo, image = colors.luminance(photo), colors.luminance(image)
    terms: Any = objective.terms
    style = terms["style"]
    regions = style.regions if isinstance(style, RegionsTerm) else {"all": style}
    found = {}
    for region, term in regions.items():
        columns = {
            name: evaluate.relative_distances(
                network, each, term.targets, config.style.statistic, term.masks
            )
            for name, each in (("photo", photo), ("stylized", image))
        }
        found[region] = evaluate.table(columns, term.layers)
    distance = evaluate.content_distances(network, image, terms["content"].targets)
    return {"content_distance": distance, "regions": found}


def conclude(
    config: Config,
    contents: Sequence[Content],
    sources: Mapping[str, Source],
    run: "Record",
) -> None:
    """results.json, out of those of the pictures, and the report."""
    from styleinv.journal import read_json

    rows = [read_json(run.folder / f"results/{content.name}.json") for content in contents]
    facts = {"resolution": config.resolution, "statistic": config.style.statistic}
    run.write("results.json", facts | {"pictures": rows})
    run.close("finished")
    page = write_report(run.folder, contents, sources)
    outputs = [run.folder / row["output"] for row in rows]
    print(f"stylized: {outputs[0] if len(outputs) == 1 else outputs[0].parent}\nreport:   {page}")


def write_report(folder: Path, contents: Sequence[Content], sources: Mapping[str, Source]) -> Path:
    """report.html of a run, beside the photographs and the pictures of the style."""
    from styleinv import transfer_report
    from styleinv.page import Reference

    share = 1 / len(contents)
    photos = [Reference(each.name, each.item.path, share) for each in contents]
    styles = {
        region: [Reference(item.name, item.path, item.weight) for item in source.items]
        for region, source in sources.items()
    }
    return transfer_report.write_report(folder, photos, styles)


if __name__ == "__main__":
    cli.run("transfer", "Restyles a photograph, or a folder of them.", execute)
