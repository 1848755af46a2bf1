"""The objective of the PyTorch program pastiche 1.6.0, to compare with it.

    python -m experiments.transfer --config=pastiche --config.content=a.jpg --config.style=b.jpg

Departs from it in the optimizer (waves; docs/performance.md), and in that pixels
cannot leave [0, 1].
"""

from styleinv.config import Config, Content, Network, Optimizer, Start, Style


def get_config() -> Config:
    return Config(
        network=Network(pooling="max", padding="zeros"),
        style=Style(
            layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), layer_weights="pastiche"
        ),
        content=Content(normalization="mean"),
        start=Start(image="content"),
        optimizer=Optimizer(parameters="waves", memory=50),
        resolution=512,
        steps=(300,),
        alpha=(0.01,),
        tv=0.0,
    )
