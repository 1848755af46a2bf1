"""The demo with one picture: what a style image is when nothing has to be averaged.

    python -m experiments.learn_style --config=anime_single

Otherwise as `anime`.
"""

from styleinv.config import Config, Dataset


def get_config() -> Config:
    return Config(dataset=Dataset(size=1))
