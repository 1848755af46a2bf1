"""Is a learned style true? Five questions, with numbers and a page.

    python -m experiments.verify --config=verify
    python -m experiments.verify --config=verify --config.dataset=my/filtered
        --config.dataset.originals=my/photos --config.verify.filters=A=my/filtered,B=other/filtered

What has to be learned or restyled for an answer is an ordinary run in the run's folder. Each answer
is kept when it is complete, so that a stopped run goes on at the question it was at.
"""

import importlib
import logging
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from experiments import cli, session
from experiments.inputs import load_network
from experiments.questions.subrun import Bench, shared_network
from experiments.session import Inputs, Session
from styleinv.config import Config
from styleinv.errors import InputError, one_of

LOG = logging.getLogger("styleinv")
QUESTIONS = ("known_style", "which_filter", "round_trip", "mosaic", "outliers")


class Question(Protocol):
    """A file of experiments/questions/ that is named after it."""

    def missing(self, config: Config) -> str:
        """What it cannot be asked without; "" if nothing is missing."""
        ...

    def find(self, config: Config) -> Any:
        """Looks at the user's files; raises an InputError for what cannot be used."""
        ...

    def ask(self, opened: Session, bench: Bench, plan: Any) -> dict[str, Any] | None:
        """The answer, for results.json; None if stopped."""
        ...


def execute(request: cli.Request) -> int:
    """Runs or resumes; see `session.execute`."""
    load = shared_network()
    return session.execute(EXPERIMENT._replace(work=partial(work, load=load)), request, load)


def check(config: Config) -> None:
    """Raises an InputError for what verify has no use for."""
    from styleinv import masks

    asked = config.verify
    for question in asked.questions:
        one_of("config.verify.questions", question, QUESTIONS)
    lists = {"questions": asked.questions, "counts": asked.counts}
    for name, values in lists.items():
        if len(set(values)) < len(values):
            raise InputError(f"config.verify.{name} names one twice")
    if not asked.counts or list(asked.counts) != sorted(asked.counts):
        raise InputError("config.verify.counts must rise, from 1 or more; write 1,2,4")
    at_least = [
        *(("counts", count, 1) for count in asked.counts),
        *(("steps", steps, 1) for steps in asked.steps or (0,)),
        ("held_out", asked.held_out, 1),
        ("singles", asked.singles, 1),
        ("seed", asked.seed, 0),
    ]
    for name, value, least in at_least:
        if value < least:
            raise InputError(f"config.verify.{name} (={value}) must be {least} or more")
    if len(config.alpha) > 1:
        raise InputError(f"config.alpha has {len(config.alpha)} numbers; verify takes one")
    least = 16 * 2 ** (len(asked.steps) - 1)
    if config.resolution < least:
        raise InputError(
            f"config.resolution (={config.resolution}) must be {least} or more, for the "
            f"{len(asked.steps)} stages of config.verify.steps"
        )
    whole = {
        "content.path": not config.content.path,
        "content.masks": not config.content.masks,
        "content.original_colors": config.content.original_colors == "no",
        "dataset.size": not config.dataset.size,
        "dataset.weights": not config.dataset.weights,
        "dataset.masks": not config.dataset.masks,
        "dataset.region": config.dataset.region == (masks.ALL,),
        "style.mode": config.style.mode == "full",
        "style.scale": config.style.scale == 1,
        "style.debias": not config.style.debias,
        "start.image": config.start.image == "noise",
    }
    if odd := [name for name, usual in whole.items() if not usual]:
        raise InputError(
            f"config.{odd[0]} is not for verify, which asks about whole pictures that all count "
            "alike; leave it out"
        )


def questions(config: Config) -> tuple[dict[str, Question], dict[str, str]]:
    """{name: question} that are asked, and {name: what is missing} for the others.

    Raises:
        InputError: if one that is asked for by name, or every one, has something missing.
    """
    asked: dict[str, Question] = {}
    left: dict[str, str] = {}
    for name in config.verify.questions or QUESTIONS:
        question: Any = importlib.import_module(f"experiments.questions.{name}")
        if missing := question.missing(config):
            left[name] = missing
        else:
            asked[name] = question
    if left and (config.verify.questions or not asked):
        name, missing = next(iter(left.items()))
        raise InputError(f"{name} cannot be asked without {missing}; give that, or leave it out")
    return asked, left


def find(config: Config) -> Inputs:
    """Looks at all files of all questions."""
    asked, left = questions(config)
    for question in asked.values():
        question.find(config)
    for name, missing in left.items():
        LOG.info("%s is not asked: it needs %s", name, missing)
    return Inputs({})


def work(opened: Session, inputs: Inputs, load: session.Load = load_network) -> bool:
    """Every question in turn; False if stopped."""
    from styleinv.journal import read_json

    config, run = opened.config, opened.run
    bench = Bench(config, run.folder, load, opened.stop)
    asked, left = questions(config)
    for name, question in asked.items():
        if (run.folder / f"results/{name}.json").is_file():
            continue
        LOG.info("%s", name)
        answer = question.ask(opened, bench, question.find(config))
        if answer is None:
            return False
        run.write(f"results/{name}.json", answer)
    answers = {name: read_json(run.folder / f"results/{name}.json") for name in asked}
    facts = {"resolution": config.resolution, "statistic": config.style.statistic}
    run.write("results.json", facts | {"not_asked": left, "answers": answers})
    run.close("finished")
    print(f"results: {run.folder / 'results.json'}\nreport:  {write_report(run.folder, inputs)}")
    return True


def write_report(folder: Path, inputs: Inputs) -> Path:
    """report.html of a run."""
    from styleinv.pages import verify_report

    return verify_report.write_report(folder)


EXPERIMENT = session.Experiment(
    "verify", "Asks whether a learned style is true.", check, find, work, write_report
)


if __name__ == "__main__":
    cli.run(EXPERIMENT.name, EXPERIMENT.title, execute)
