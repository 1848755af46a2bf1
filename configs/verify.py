"""Is a learned style true? Five questions, with numbers.

    python -m experiments.verify --config=verify

Asks what the demo dataset allows; with --config.dataset.originals=FOLDER and
--config.verify.filters=A=FOLDER,B=FOLDER, all five.
64 -> 128 px: small, for there are many runs in it.
"""

from styleinv.config import Config


def get_config() -> Config:
    return Config(resolution=128, steps=(80, 80), seeds=(0, 1, 2), alpha=(1e-3,))
