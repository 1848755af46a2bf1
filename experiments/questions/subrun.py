"""Runs inside a run: ordinary ones of other experiments, in this process, in folders of their own.

They resume like any other, and their folders hold the commands that make them alone. Experiments
are found by name, so that no experiment imports another.
"""

import contextlib
import importlib
import io
import logging
from collections.abc import Callable, Container, Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

from experiments import cli, session
from experiments.inputs import load_network
from experiments.session import Load
from styleinv.config import Config
from styleinv.errors import InputError

LOG = logging.getLogger("styleinv")
_SEEN = ("snapshots", "checkpoint_every", "tensorboard")  # of how a run is looked at and kept
_OF_BOTH = ("network", "style", "resolution", "beta", "tv", *_SEEN)
_OF_LEARNING = (*_OF_BOTH, "optimizer", "start", "steps")
_OF_RESTYLING = (*_OF_BOTH, "content", "alpha")


class Bench(NamedTuple):
    """Where runs are made.

    Attributes:
        config: of the run that they are in.
        folder: theirs are inside.
        load: gives them the network.
        stop: the number of the signal that was sent, or 0.
    """

    config: Config
    folder: Path
    load: Load
    stop: Callable[[], int]

    def learn(self, name: str, pictures: Sequence[Path], seeds: Sequence[int] = (0,)) -> bool:
        """Learns one style from pictures, in FOLDER/NAME; False if stopped."""
        config = _copied(self.config, "anime", _OF_LEARNING)
        config.dataset.path = ",".join(map(str, pictures))
        config.seeds = tuple(seeds)
        return self._run("learn_style", "anime", config, name)

    def restyle(
        self, name: str, photos: Sequence[Path], style: Sequence[Path], originals: str = ""
    ) -> bool:
        """Gives photographs the style of pictures, in FOLDER/NAME; False if stopped.

        Args:
            originals: the folder of those that the pictures were made of, to make the change that
                was made of them instead.
        """
        config = _copied(self.config, "transfer", _OF_RESTYLING)
        config.steps = self.config.verify.steps
        if config.network.split:  # which waves are not for
            config.optimizer.parameters = "pixels"
        config.content.path = ",".join(map(str, photos))
        config.dataset.path = ",".join(map(str, style))
        config.dataset.originals, config.style.debias = originals, bool(originals)
        return self._run("transfer", "transfer", config, name)

    def _run(self, experiment: str, recipe: str, config: Config, name: str) -> bool:
        folder = self.folder / name
        words = [f"--config={recipe}", *_changes(config, recipe), f"--workdir={folder}"]
        request = cli.parse(experiment, words)
        found = importlib.import_module(f"experiments.{experiment}").EXPERIMENT
        if not (folder / "report.html").is_file():
            LOG.info("%s: %s", name, experiment)
        with contextlib.redirect_stdout(io.StringIO()):
            return session.execute(found, request, self.load, self.stop) == 0


def learned_from(folder: Path) -> dict[str, str]:
    """{sha256: name} of the pictures that a run's style, or change, was measured on."""
    from styleinv import change_file, style_file

    change = folder / "change.safetensors"
    if change.is_file():
        _, origin = change_file.load(change)
    else:
        _, origin = style_file.load(folder / "style.safetensors")
    if any("name" not in image for image in origin.images):
        raise InputError(f"{folder} learned from more pictures than its style file can name")
    return {str(image["sha256"]): str(image["name"]) for image in origin.images}


def refuse_leak(folder: Path, held_out: Container[str]) -> None:
    """Raises an AssertionError if a run has learned from a picture that is held out from it.

    Args:
        held_out: sha256 of their files.
    """
    leaked = [name for digest, name in learned_from(folder).items() if digest in held_out]
    if leaked:
        raise AssertionError(f"{folder} was learned from {leaked[0]}, which is held out")


def made_by(folder: Path) -> list[Path]:
    """The pictures that a transfer made, in the order of its photographs."""
    from styleinv.journal import read_json

    return [folder / row["output"] for row in read_json(folder / "results.json")["pictures"]]


def shared_network() -> Load:
    """`load_network`, once for all: with the layers that transfers and questions look at."""
    kept = []

    def load(config: Config):
        if not kept:
            deep = deepcopy(config)
            deep.content.path = deep.content.path or "photographs"
            deep.content.layers = (*deep.content.layers, "relu4_2")
            kept.append(load_network(deep))
        return kept[0]

    return load


def refuse_commas(paths: Sequence[Path]) -> None:
    """Raises an InputError for a path that cannot stand in a list of paths."""
    for path in paths:
        if "," in str(path):
            raise InputError(f"{path} has a comma in its name; rename it")


def _copied(config: Config, recipe: str, names: Sequence[str]) -> Config:
    made = cli.config_by_name(recipe)
    for name in names:
        setattr(made, name, deepcopy(getattr(config, name)))
    return made


def _changes(config: Config, recipe: str) -> list[str]:
    """The words that make the config of the recipe."""
    before = {name: value for name, value, *_ in cli.fields(cli.config_by_name(recipe))}
    return [
        f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value, *_ in cli.fields(config)
        if value != before[name]
    ]
