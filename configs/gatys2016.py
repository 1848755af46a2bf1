"""The losses of Gatys et al. 2016: five layers, equal weights, average pooling, L-BFGS.

    python -m experiments.learn_style --config=gatys2016 --config.style=painting.jpg
    python -m experiments.transfer --config=gatys2016 --config.content=a.jpg --config.style=b.jpg

Departs from the paper in the start (coarse to fine) and in that several pictures may be given.
"""

from styleinv.config import Config, Content, Network, Start, Style


def get_config() -> Config:
    return Config(
        network=Network(pooling="average", padding="zeros"),
        style=Style(
            layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), layer_weights="gatys"
        ),
        content=Content(normalization="gatys"),
        start=Start(noise="uniform", contrast=1.0),
        tv=0.0,
    )
