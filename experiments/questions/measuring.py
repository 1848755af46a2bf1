"""Pictures as verify sees them: at one resolution, and how far from a style.

The libraries are imported inside, so that `--help` stays quick.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.session import Session
from experiments.validate import style_layers

if TYPE_CHECKING:
    import numpy as np

    from styleinv.style import Style


def see(opened: Session, path: Path) -> "np.ndarray":
    """f32[h, w, 3]: a file as a picture of a dataset is seen, at the run's resolution."""
    from styleinv import images

    image = images.read(path)
    height, width = image.shape[:2]
    return images.resize(image, *images.frame(height, width, opened.config.resolution))


def style_of(opened: Session, image: "np.ndarray") -> "Style":
    """The style of f32[h, w, 3], at the style layers and of its pixels."""
    from styleinv.style import measure
    from styleinv.vgg import PIXELS

    layers = (PIXELS, *style_layers(opened.config))
    return measure(opened.network, image, layers, resolution=opened.config.resolution)


def distances(opened: Session, image: "np.ndarray", known: "Style") -> dict[str, dict[str, float]]:
    """{statistic: {layer: distance}} of an image from a known style."""
    from styleinv import compare

    return compare.distances(style_of(opened, image), known, style_layers(opened.config))
