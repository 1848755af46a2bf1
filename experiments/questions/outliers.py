"""Who does not belong: pictures far from all others, and what becomes of the style without them.

The libraries are imported inside, so that `--help` stays quick.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.questions.scenes import Picture, digests, find_pictures
from experiments.questions.subrun import Bench
from experiments.session import Session
from experiments.validate import style_layers
from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    import numpy as np

LEAST = 5  # pictures, of which one may be called far from the others

Plan = Mapping[str, Picture]


def missing(config: Config) -> str:
    """What the question cannot be asked without."""
    return "" if config.dataset.path else "a dataset (config.dataset.path)"


def find(config: Config) -> Plan:
    """Raises an InputError for files that cannot be used."""
    pictures = find_pictures(config, config.dataset.path, config.dataset.originals)
    if len(pictures) < LEAST:
        raise InputError(
            f"outliers: {config.dataset.path} holds {len(pictures)} pictures; it takes {LEAST} or "
            "more to say that one is far from the others"
        )
    return pictures


def ask(opened: Session, bench: Bench, plan: Plan) -> dict[str, Any] | None:
    """{measure: distances, the limit, outliers, and what dropping them does}; None if stopped."""
    import numpy as np

    from styleinv import kernels, outliers

    items = [picture.item for picture in plan.values()]
    photos = [item._replace(path=item.original) for item in items if item.original]
    size = len(items)
    if len(photos) < size:  # a change is told from the others' only where all are known
        photos = []
    found = kernels.kernels(
        opened.network,
        [*items, *photos],
        style_layers(opened.config),
        opened.config.resolution,
        stop=opened.stop,
    )
    if found is None:
        return None
    shares = np.full(size, 1 / size)
    measures = {}
    for statistic, own in found.items():
        layers = [kernel[:size, :size] for kernel in own.values()]
        apart = np.mean([outliers.to_the_rest(kernel, shares) for kernel in layers], 0)
        measures[statistic] = _judged(list(plan), apart, layers, shares)
        if photos:
            moved = {
                layer: kernels.displacements(kernel, np.arange(size), size + np.arange(size))
                for layer, kernel in own.items()
            }
            apart = outliers.against_the_rest(kernels.directions(moved), shares)
            measures[f"change of {statistic}"] = _judged(list(plan), apart, layers, shares)
    return {"pictures": digests(plan, list(plan)), "measures": measures}


def _judged(
    scenes: list[str], apart: "np.ndarray", layers: "list[np.ndarray]", shares: "np.ndarray"
) -> dict[str, Any]:
    """What one measure says; where it names nobody, what dropping a farthest would do."""
    import numpy as np

    from styleinv import outliers

    limit = outliers.limit(apart)
    far = apart > limit
    dropped = far if far.any() else np.arange(len(apart)) == apart.argmax()
    kept = np.where(dropped, 0, shares)

    def mean(of, *arguments):
        return float(np.mean([of(kernel, *arguments) for kernel in layers]))

    return {
        "distances": dict(zip(scenes, apart.tolist(), strict=True)),
        "limit": limit,
        "outliers": [scene for scene, one in zip(scenes, far, strict=True) if one],
        "dropped": [scene for scene, one in zip(scenes, dropped, strict=True) if one],
        "dispersion": mean(outliers.dispersion, shares),
        "dispersion_without": mean(outliers.dispersion, kept),
        "shift": mean(outliers.shift, shares, ~dropped),
    }
