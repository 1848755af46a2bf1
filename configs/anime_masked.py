"""The demo by regions: one style image of the skies, one of all that stands before them.

    python -m experiments.learn_style --config=anime_masked

The masks are in the dataset's manifest, and differ from picture to picture. Otherwise as `anime`.
"""

from styleinv.config import Config, Dataset


def get_config() -> Config:
    return Config(dataset=Dataset(region=("sky", "rest")))
