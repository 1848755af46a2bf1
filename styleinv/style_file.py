"""style.safetensors: the styles of one set of images, at every resolution measured.

Tensors `RESOLUTION/LAYER/{mean,second,spread}` in float32; the header says what they are of, and
at which layers only some of the images, by weight, are known. Equal styles are equal files, byte
for byte.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from styleinv import tensor_file
from styleinv.errors import InputError
from styleinv.style import Moments, Spread, Style, unknown
from styleinv.vgg import PIXELS, layer_channels

_LISTED = 10_000  # images that a header names


@dataclass(frozen=True)
class Origin:
    """What a style was measured with and on.

    Attributes:
        network: the network's name.
        weights: sha256 of its weights.
        pooling, padding: as given to `VGG`.
        region: "all", or a mask's name, or "rest".
        images: see `listed`; weights sum to 1.
        propagation: how masks went through the network, see `regions.layer_masks`.
    """

    network: str
    weights: str
    pooling: str
    padding: str
    region: str
    images: tuple[Mapping[str, str | float], ...] = ()
    propagation: str = "soft"


def listed(images: Iterable[Mapping[str, str | float]]) -> tuple[Mapping[str, str | float], ...]:
    """What a header says of images, one {"name", "sha256", "weight"} for each.

    Of more than ten thousand, a single {"count", "sha256"}, the latter of all those: a header of
    millions would be larger than readers take.
    """
    digest, first, count = hashlib.sha256(), [], 0
    for count, image in enumerate(images, 1):
        digest.update(json.dumps(image, sort_keys=True).encode() + b"\n")
        if count <= _LISTED:
            first.append(image)
    if count <= _LISTED:
        return tuple(first)
    return ({"count": count, "sha256": digest.hexdigest()},)


def save(path: Path, styles: Mapping[int, Style], origin: Origin) -> None:
    """Writes the file in one move. What is unknown (`style.unknown`) is left out, and noted."""
    tensors = {
        f"{resolution}/{layer}/{name}": np.asarray(value, np.float32)
        for resolution, style in styles.items()
        for layer, moments in style.moments.items()
        if moments.weight
        for name, value in (
            ("mean", moments.mean),
            ("second", moments.second),
            ("spread", np.array([float(x) for x in moments.spread])),
        )
    }
    layers = next(iter(styles.values())).layers
    header = {"layers": layers, "resolutions": list(styles)} | asdict(origin)
    shares = _shares(styles)
    header["unknown"] = [prefix for prefix, share in shares.items() if not share]
    if partly := {prefix: share for prefix, share in shares.items() if 0 < share < 1}:
        header["partly"] = partly
    tensor_file.save(path, "style", header, tensors)


def _shares(styles: Mapping[int, Style]) -> dict[str, float]:
    """{prefix: the share of the images, by weight, that each layer is known of}, as in float32."""
    weights = {
        f"{resolution}/{layer}": float(moments.weight)
        for resolution, style in styles.items()
        for layer, moments in style.moments.items()
    }
    whole = max(weights.values()) or 1.0
    return {prefix: float(np.float32(weight / whole)) for prefix, weight in weights.items()}


def load(path: Path) -> tuple[dict[int, Style], Origin]:
    """The styles by resolution, float32, and what they are of.

    Raises:
        InputError: if this is not a style file or it is damaged.
    """
    return tensor_file.load(path, "style", _build)


def _build(
    header: dict[str, Any], tensors: Mapping[str, np.ndarray]
) -> tuple[dict[int, Style], Origin]:
    layers, resolutions = header.pop("layers"), header.pop("resolutions")
    left_out, partly = header.pop("unknown", ()), header.pop("partly", {})
    if not all(0 < share < 1 for share in partly.values()):
        raise ValueError("shares of the images that are none")

    def moments(prefix, layer):
        if prefix in left_out:
            return unknown(layer_channels(layer))
        return _read(tensors, prefix)._replace(weight=np.float32(partly.get(prefix, 1)))

    if not all(type(resolution) is int and resolution > 0 for resolution in resolutions):
        raise ValueError("resolutions that are not whole numbers")
    styles = {
        resolution: Style(resolution, {k: moments(f"{resolution}/{k}", k) for k in layers})
        for resolution in resolutions
    }
    return styles, origin_of(header)


def origin_of(header: Mapping[str, Any]) -> Origin:
    """The origin in a header; a ValueError or TypeError for what is none."""
    origin = Origin(**{**header, "images": tuple(header["images"])})
    if not all(isinstance(text, str) for name, text in vars(origin).items() if name != "images"):
        raise ValueError("an origin that is not in words")
    for image in origin.images:
        plain = isinstance(image, dict) and all(
            isinstance(value, str | int | float) for value in image.values()
        )
        if not plain:
            raise ValueError("images that are not told of in texts and numbers")
    return origin


def _read(tensors: Mapping[str, np.ndarray], prefix: str) -> Moments:
    mean, second, spread = (tensors[f"{prefix}/{name}"] for name in ("mean", "second", "spread"))
    channels = layer_channels(prefix.partition("/")[2])
    if any(x.dtype != np.float32 for x in (mean, second, spread)):
        raise ValueError(f"numbers at {prefix} that are not float32")
    if (mean.shape, second.shape, spread.shape) != ((channels,), (channels, channels), (3,)):
        raise ValueError(f"wrong shapes at {prefix}")
    if not all(np.isfinite(x).all() for x in (mean, second, spread)):
        raise ValueError(f"numbers at {prefix} that are not finite")
    return Moments(np.float32(1), mean, second, Spread(*spread))


def select(
    styles: Mapping[int, Style],
    origin: Origin,
    path: Path,
    *,
    wanted: Origin,
    layers: Sequence[str],
    resolutions: Sequence[int],
) -> dict[int, Style]:
    """The styles at the resolutions and layers asked for.

    Raises:
        InputError: if the file was made with anything else than asked for, or knows nothing of
            all the layers asked for at some resolution; names both.
    """
    there = {resolution: style.layers for resolution, style in styles.items()}
    refuse_unlike(path, origin, wanted=wanted, there=there, layers=layers, resolutions=resolutions)
    asked = [layer for layer in layers if layer != PIXELS]
    for resolution in resolutions:
        moments = styles[resolution].moments
        known = [layer for layer in moments if layer != PIXELS and moments[layer].weight]
        if not set(asked) & set(known):
            raise InputError(
                f"{path} knows the layers {', '.join(known) or 'none'} at {resolution} px, and "
                f"this run needs one of {', '.join(asked)}; choose config.style.layers among them"
            )
    return {
        resolution: Style(resolution, {k: styles[resolution].moments[k] for k in layers})
        for resolution in resolutions
    }


def refuse_unlike(
    path: Path,
    origin: Origin,
    *,
    wanted: Origin,
    there: Mapping[int, Sequence[str]],
    layers: Sequence[str],
    resolutions: Sequence[int],
) -> None:
    """Raises an InputError if a file was made with anything else than asked for; names both.

    Args:
        there: {resolution: layers} of the file.
    """
    for field in ("network", "weights", "pooling", "padding"):
        has, asked = getattr(origin, field), getattr(wanted, field)
        if has != asked:
            option = "name" if field == "network" else field
            raise InputError(
                f"{path} was made with {field} {has}, and this run has {asked}; "
                f"choose config.network.{option} to match"
            )
    if "all" not in (origin.region, wanted.region) and origin.propagation != wanted.propagation:
        raise InputError(
            f"{path} was made with masks {origin.propagation}, and this run has "
            f"{wanted.propagation}; choose config.style.propagation to match"
        )
    for resolution in resolutions:
        if resolution not in there:
            raise InputError(
                f"{path} was measured at {', '.join(map(str, there))} px, and this run needs "
                f"{resolution}; choose config.resolution and config.steps to match"
            )
        missing = [layer for layer in layers if layer not in there[resolution]]
        if missing:
            raise InputError(
                f"{path} has the layers {', '.join(there[resolution])}, and this run needs "
                f"{missing[0]}; choose config.style.layers among them"
            )
