"""A picture to check masks by: each region in a color, outlined, with its name and share."""

from collections.abc import Mapping

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLORS = (
    (255, 176, 0),
    (0, 158, 255),
    (255, 64, 129),
    (0, 230, 118),
    (170, 90, 255),
    (0, 229, 255),
)


def overlay(picture: np.ndarray, masks: Mapping[str, np.ndarray]) -> Image.Image:
    """The picture u8[h, w, 3], dimmed where no mask u8[h, w] is."""
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    page, side = picture * np.float32(0.4), max(picture.shape)
    for i, mask in enumerate(masks.values()):
        color = np.array(COLORS[i % len(COLORS)], np.float32)
        page += (mask[..., None] / np.float32(255)) * (0.6 * gray + 0.4 * color - 0.4 * picture)
    drawn = np.clip(page, 0, 255).astype(np.uint8)
    for i, mask in enumerate(masks.values()):
        lines = cv2.findContours(
            (mask >= 128).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
        )[0]
        cv2.drawContours(drawn, lines, -1, COLORS[i % len(COLORS)], max(1, side // 300))
    image = Image.fromarray(drawn)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(max(10, side / 26))
    for name, mask in masks.items():
        if mask.any():
            text = f"{name} {mask.mean() / 255:.0%}".replace("%", " %")
            half = pen.textlength(text, font) / 2 + 4
            x, y = _middle(mask)
            at = min(max(x, half), image.width - half), min(max(y, 12), image.height - 12)
            pen.text(at, text, "white", font, "mm", stroke_width=2, stroke_fill="black")
    return image


def _middle(mask: np.ndarray) -> tuple[float, float]:
    """x and y of the position that lies deepest inside of the mask."""
    framed = np.pad((mask >= min(128, mask.max())).astype(np.uint8), 1)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return float(x), float(y)
