"""Restyles a photograph with a picture, several, or a learned style.

    python -m experiments.transfer --config=transfer --config.content=a.jpg --config.style=b.jpg

Without --config.style, it takes the style of the demo dataset.
"""

from styleinv.config import Config, Optimizer, Start


def get_config() -> Config:
    return Config(
        start=Start(image="content"),
        optimizer=Optimizer(parameters="waves"),
        resolution=512,
        steps=(80, 80),
        alpha=(1e-4,),
    )
