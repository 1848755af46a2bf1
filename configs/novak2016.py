"""The style loss of Novak & Nikulin 2016: all 16 layers, shifted Grams, shallow layers first.

    python -m experiments.learn_style --config=novak2016 --config.dataset.path=painting.jpg

Departs from the paper in the start (coarse to fine) and in that several pictures may be given.
"""

from styleinv.config import Config, Style


def get_config() -> Config:
    return Config(style=Style(statistic="shifted_gram", layer_weights="novak"), tv=0.0)
