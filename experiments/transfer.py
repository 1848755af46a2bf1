"""Content + style -> stylized picture.

    python -m experiments.transfer --config=transfer --config.content=photo.jpg
    python -m experiments.transfer --config=transfer --config.content=photo.jpg --config.style=a.jpg

The libraries are imported where a run begins, so that `--help` and mistakes are answered at once.
"""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import cli, debias, session
from experiments.contents import (
    Content,
    find_contents,
    find_sources,
    output_name,
    own_sources,
    put_back,
    region_masks,
    view,
    view_shape,
)
from experiments.inputs import stages_of
from experiments.optimize import Task, is_done, optimize
from experiments.problem import Problem, Styles, objective, places, start_image, style_part
from experiments.session import Inputs, Session
from styleinv.config import Config, Verify
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from styleinv.objective import Objective
    from styleinv.photo import Photo
    from styleinv.record import Record
    from styleinv.vgg import VGG

LOG = logging.getLogger("styleinv")


def execute(request: cli.Request) -> int:
    """Runs or resumes; see `session.execute`."""
    return session.execute(EXPERIMENT, request)


def check(config: Config) -> None:
    """Raises an InputError for what a transfer has no use for."""
    if not config.content.path:
        raise InputError("there is no photo to restyle; give one: --config.content=photo.jpg")
    if len(config.seeds) > 1:
        raise InputError(f"config.seeds has {len(config.seeds)} seeds; a transfer takes one")
    start = config.start.image
    if start != "noise" and config.seeds != Config().seeds:
        raise InputError(
            f"config.seeds are of noise, and config.start.image (={start}) is none; leave them "
            "out, or start from noise"
        )
    plain = Verify()
    if asked := [k for k, value in vars(config.verify).items() if value != getattr(plain, k)]:
        raise InputError(
            f"config.verify.{asked[0]} is for `python -m experiments.verify`; leave it out"
        )
    if config.style.mode != "full":
        raise InputError(
            f"config.style.mode (={config.style.mode}) is for learn_style; "
            "config.content.masks say where each style goes"
        )


def find(config: Config) -> Inputs:
    """The photographs, and the styles for all of their regions."""
    contents = find_contents(config)
    return Inputs(find_sources(config, contents), contents)


def work(opened: Session, inputs: Inputs) -> bool:
    """Every photograph in turn, and what they have come to; False if stopped."""
    config, run = opened.config, opened.run
    styles: Styles | None = {}  # of each photograph's own, where they depend on it
    changes: debias.Changes | None = {}
    if config.style.debias:
        changes = debias.obtain(opened, inputs.sources)
    elif config.content.original_colors == "no":
        styles = opened.obtain(inputs.sources)
    if styles is None or changes is None:
        return False
    for index, content in enumerate(inputs.contents):
        facts = {"seed": config.seeds[0], "content": content.name, "alpha": content.alpha}
        task = Task(index, content.name, f"restyling {content.name}", facts)
        if is_done(config, run, task):
            continue
        if not restyle(opened, content, inputs, styles, changes, task):
            return False
    conclude(config, inputs, run)
    return True


def restyle(
    opened: Session,
    content: Content,
    inputs: Inputs,
    styles: Styles,
    changes: debias.Changes,
    task: Task,
) -> bool:
    """One photograph, into the run's images and metrics; False if stopped before its end.

    Args:
        styles: of all regions; empty where they depend on the photograph.
        changes: of all regions, where the styles follow from them.
    """
    from styleinv import colors, images, photo

    config, run, network = opened.config, opened.run, opened.network
    taken = photo.read(content.item.path)
    for note in taken.notes:
        LOG.warning("%s: %s", content.item.name, note)
    for region in content.regions:
        if region not in inputs.sources:
            LOG.info("%s: there is no style for the %s: it stays as it is", task.name, region)
    sources = {k: source for k, source in inputs.sources.items() if k in content.regions}
    masks = region_masks(content, taken.image.shape[:2])
    if not styles:
        own = own_sources(config, sources, content, taken, masks)
        missing = {k: s for k, s in own.items() if not (run.folder / s.own).is_file()}
        if missing and changes:
            photograph = debias.Photograph(taken.image, masks, content.item.name)
            known = {region: changes[region] for region in missing}
            if not debias.write_styles(opened, missing, known, [photograph]):
                return False
        measured_again = opened.obtain(own)
        if measured_again is None:
            return False
        styles = measured_again
    styles = {region: styles[region] for region in sources}
    problem = problem_of(config, network, content, taken, masks, styles)
    finished = False
    for frame in optimize(opened, task, problem):
        finished = frame.count == sum(config.steps)
        if finished:
            image = put_back(frame.image, taken.image, masks, styles)
            if config.content.original_colors == "luminance":
                image = colors.with_colors_of(image, view(taken.image, config.resolution))
            bits = config.content.bits or taken.bits
            output = run.write(output_name(config, content), photo.encode_png(image, taken, bits))
            row = {"name": content.name, "photo": content.item.name, "alpha": content.alpha}
            row |= {"output": str(output.relative_to(run.folder)), "loss": frame.snapshot.loss}
            row |= {k: v for k, v in frame.snapshot.values.items() if "/" not in k}
            terms, seen = problem.at(config.resolution)[1], view(taken.image, config.resolution)
            row |= measured(config, network, terms, seen, images.read(output))
            run.write(f"results/{content.name}.json", row)
    return finished


def problem_of(
    config: Config,
    network: "VGG",
    content: Content,
    taken: "Photo",
    masks: "Mapping[str, np.ndarray]",
    styles: Styles,
) -> Problem:
    """The photograph, held to its content and pulled towards the styles of its regions."""
    import jax.numpy as jnp

    from styleinv import colors
    from styleinv.content import ContentTerm, content_term
    from styleinv.strips import extract

    styled = {region: mask for region, mask in masks.items() if region in styles}
    luminance = config.content.original_colors == "luminance"
    held = colors.luminance(taken.image) if luminance else taken.image
    shape_at = partial(view_shape, *held.shape[:2])

    def start(resolution):
        if config.start.image == "content":
            return view(held, resolution)
        return start_image(config, styles, resolution, shape_at(resolution), config.seeds[0])

    def content_at(resolution) -> ContentTerm:
        photo = jnp.asarray(view(held, resolution))
        features = extract(network, photo, tuple(config.content.layers))
        return content_term(features, config.content.normalization, content.alpha)

    parts = {}
    for resolution in (stage.resolution for stage in stages_of(config)):
        placed = places(config, styled, shape_at(resolution), str(content.item.path))
        style = style_part(config, network, styles, placed, start, resolution)
        parts[resolution] = objective(config, style, content=content_at(resolution))

    def problem_at(resolution):
        return network, parts[resolution]

    return Problem(start, problem_at, lambda resolution: None)


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


def conclude(config: Config, inputs: Inputs, run: "Record") -> None:
    """results.json, out of those of the pictures, and the report."""
    from styleinv.journal import read_json

    rows = [read_json(run.folder / f"results/{each.name}.json") for each in inputs.contents]
    facts = {"resolution": config.resolution, "statistic": config.style.statistic}
    run.write("results.json", facts | {"pictures": rows})
    run.close("finished")
    page = write_report(run.folder, inputs)
    outputs = [run.folder / row["output"] for row in rows]
    print(f"stylized: {outputs[0] if len(outputs) == 1 else outputs[0].parent}\nreport:   {page}")


def write_report(folder: Path, inputs: Inputs) -> Path:
    """report.html of a run, beside the photographs and the pictures of the style."""
    from styleinv.pages import transfer_report
    from styleinv.pages.page import Reference

    share = 1 / len(inputs.contents)
    photos = [Reference(each.name, each.item.path, share) for each in inputs.contents]
    styles = {
        region: [Reference(item.name, item.path, item.weight) for item in source.items]
        for region, source in inputs.sources.items()
    }
    alphas = {each.name: each.alpha for each in inputs.contents}
    several = len(set(alphas.values())) > 1
    return transfer_report.write_report(folder, photos, styles, alphas if several else {})


EXPERIMENT = session.Experiment(
    "transfer", "Restyles a photograph, or a folder of them.", check, find, work, write_report
)

if __name__ == "__main__":
    cli.run(EXPERIMENT.name, EXPERIMENT.title, execute)
