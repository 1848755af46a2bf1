"""From the photograph to the painting: one picture for each weight of the content.

    python -m experiments.transfer --config=transfer_grid --config.content=photo.jpg

Otherwise as `transfer`, smaller.
"""

from styleinv.config import Config, Optimizer, Start


def get_config() -> Config:
    return Config(
        start=Start(image="content"),
        optimizer=Optimizer(parameters="waves"),
        resolution=384,
        steps=(80, 80),
        alpha=(1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
    )
