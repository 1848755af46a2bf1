"""Words of a command line that several tests begin with."""

SMALL = [  # seconds, in place of minutes, where the picture is not the point
    "--config=anime",
    "--config.network.weights=random",
    "--config.network.convolution=direct",
    "--config.style.layers=relu1_1",
    "--config.resolution=32",
]
