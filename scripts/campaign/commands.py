"""What is disturbed: one line each, a short run with untrained weights at a tiny resolution."""

import shlex
from collections.abc import Mapping

_SMALL = "--config.network.weights=random --config.style.layers=relu1_1,relu2_1 "
_SMALL += "--config.resolution=32 --config.steps=12,12 --config.snapshots=5 "
_SMALL += "--config.checkpoint_every=4"
_PHOTOS = "--config.content=data/anime/04.jpg,data/anime/05.jpg --config.content.layers=relu2_1"
_PHOTOS += " --config.style=data/anime/01.jpg --config.steps=16"

_LEARN = f"--config=anime {_SMALL}"
_SWEEP = f"sweep {_LEARN} --config.dataset.size=2 --grid=seed=0,1"

COMMANDS: Mapping[str, str] = {
    "learn_style": f"learn_style {_LEARN} --config.dataset.size=3 --config.seeds=0,1",
    "transfer": f"transfer --config=transfer {_SMALL} {_PHOTOS}",
    "sweep": _SWEEP,
    "sweep, 2 workers": f"{_SWEEP} --workers=2",
}


def words_of(name: str) -> list[str]:
    """The words after `python -m experiments.`, without --workdir."""
    return shlex.split(COMMANDS[name])
