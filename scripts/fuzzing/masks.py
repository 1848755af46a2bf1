"""Masks: gray files and colored maps, of any size and depth, and the words that name them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np
from hypothesis import strategies as st
from PIL import Image

from fuzzing.edits import edited
from fuzzing.folders import Content, Link, Pipe
from fuzzing.shapes import HEIGHT, WIDTH, pngs, saved, waves
from fuzzing.target import REQUEST, Target
from fuzzing.worker import request


def target() -> Target:
    """Words as after `--config.content.masks=`, and the regions asked for."""
    files = [
        "map.png",
        "gray.png",
        "deep.png",
        "large.png",
        "many.png",
        "odd.png",
        "pipe.png",
        "zero.png",
        "",
    ]
    name = st.sampled_from(["", "", "sky=", "sea=", "rest=", "all=", "=", "a=b=", "é=", "mask="])
    color = st.sampled_from(
        ["", "", "#ff0000", "#0000ff", "#FE0000", "#00", "#xxxxxx", "#ff0000ff"]
    )
    word = st.builds("".join, st.tuples(name, st.sampled_from(files), color))
    text = st.text(max_size=12).filter(lambda text: "/" not in text)  # a path is the user's own
    words = st.lists(st.one_of(word, word, text), min_size=1, max_size=4)
    regions = st.lists(
        st.sampled_from(["sky", "sea", "rest", "mask", "ff0000", "0000ff", "all"]),
        min_size=1,
        max_size=3,
    )
    odd = edited([_map(2), _map(5), *pngs()])
    return Target(st.builds(_folder, st.just(_files()), odd, words, regions), use, megabytes=600)


def use(folder: Path) -> None:
    """What is done with the masks of a picture; words that name no region ask for all there are."""
    from styleinv import masks

    asked = request(folder)
    os.chdir(folder)
    parsed = masks.parse(asked["words"])
    regions = [region for region in asked["regions"] if region in (*parsed, "rest")]
    found = masks.read_all(parsed, regions or list(parsed), (HEIGHT, WIDTH), "a.png")
    for mask in found.values():
        assert mask.dtype == np.float32
        assert mask.shape == (HEIGHT, WIDTH)
        assert mask.min() >= 0
        assert mask.max() <= 1


def _map(colors: int, scale: int = 1) -> bytes:
    """Stripes of so many colors that are far apart."""
    levels = [0, 85, 170, 255]
    palette = np.array([(r, g, b) for r in levels for g in levels for b in levels], np.uint8)[::-1]
    stripes = np.arange(WIDTH * scale) * colors // (WIDTH * scale)
    rows = np.repeat(palette[stripes * 63 // max(1, colors - 1)][None], HEIGHT * scale, axis=0)
    return saved(Image.fromarray(rows), "PNG")


def _files() -> dict[str, Content]:
    gray = saved(Image.fromarray(waves(1)[..., 0]), "PNG")
    files: dict[str, Content] = {"map.png": _map(2), "gray.png": gray}
    files |= {"large.png": _map(2, 4), "many.png": _map(60, 20)}
    files |= {"deep.png": bytes(imagecodecs.png_encode(waves(1, np.uint16)[..., 0]))}
    return files | {"pipe.png": Pipe(), "zero.png": Link("/dev/zero")}


def _folder(
    files: dict[str, Content], odd: bytes, words: Sequence[str], regions: Sequence[str]
) -> dict[str, Content]:
    asked = json.dumps({"words": words, "regions": regions}).encode()
    return files | {"odd.png": odd, REQUEST: asked}
