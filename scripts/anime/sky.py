"""Clouds, the sun and what flies. All but the gulls count as sky in the mask."""

import numpy as np

from .brushes import SUNLIGHT, Painting, billows, color, hazy, noise, puffs, smoothstep, tones

CLOUD_WHITE = "fffdf3"


def sun(p: Painting):
    """The disc itself; clouds that are painted later pass before it."""
    disc = 1 - smoothstep(0.021, 0.03, p.from_sun + 0.002 * p.fine)
    p.cover(color("fffef4"), disc, sky=True)


def glow(p: Painting):
    """Sunlight that spills over everything near the sun, as through a lens. Painted last."""
    spill = 0.5 * np.exp(-p.from_sun / 0.06) + 0.36 * np.exp(-p.from_sun / 0.28)
    p.rgb = 1 - (1 - p.rgb) * (1 - spill[..., None] * color(SUNLIGHT))


def cumulus(p: Painting, x: float, base: float, width: float, height: float, haze: float = 0.0):
    """A heaped cloud: one mound and two lower ones beside it, on a base that melts into the air."""
    rng, balls = p.rng, []
    mounds = [(x, width, height, 26)]
    for side in (-1, 1):
        at = x + side * width * rng.uniform(0.28, 0.5)
        mounds.append((at, width * rng.uniform(0.45, 0.7), height * rng.uniform(0.35, 0.7), 16))
    for middle, wide, tall, count in mounds:
        lean = rng.uniform(-0.12, 0.12) * wide
        for k in range(count):
            rise = ((k + rng.random()) / count) ** 1.15
            half = 0.4 * wide * (1 - 0.85 * rise**1.3)
            radius = 0.16 * wide * (1 - 0.5 * rise) * rng.uniform(0.75, 1.25)
            # 2.4 is the golden angle: one ball after the other falls where there is room.
            cx = middle + lean * rise + half * np.sin(2.4 * k + rng.uniform(-0.6, 0.6))
            cy = base - rise * (tall - radius) - 0.2 * radius
            tone = 0.12 + 0.42 * (cx - x) / width * p.light[0] + 0.2 * (base - cy) / height
            cz = rng.uniform(-0.5, 0.5) * radius
            balls += puffs(rng, p.light, (cx, cy, cz), radius, tone, 2)
    cover, tone = billows(p, balls, warp=0.007)
    near_base = smoothstep(base - 0.4 * height, base, p.y)[..., None]
    paint = hazy(tones("cloud", tone + p.strokes), np.maximum(haze, 0.55 * near_base))
    melt = 1 - smoothstep(base - 0.12, base + 0.01, p.y + 0.03 * p.broad + 0.01 * p.fine)
    p.cover(paint, cover * melt, sky=True)


def cirrus(p: Painting, y: float, strength: float = 0.5):
    """Thin combed clouds high up."""
    comb = noise(p.rng, 3, 40, 3) + 0.5 * noise(p.rng, 6, 6, 2) + 0.5 * p.broad
    band = np.exp(-(((p.y + 0.18 * p.x - y) / 0.09) ** 2))
    p.cover(color(CLOUD_WHITE), strength * smoothstep(0.3, 1.3, comb) * band, sky=True)


def contrail(p: Painting, x0: float, y0: float, x1: float, y1: float):
    """The straight trail of a plane, fresh at its second end."""
    length = np.hypot(x1 - x0, y1 - y0)
    along = ((p.x - x0) * (x1 - x0) + (p.y - y0) * (y1 - y0)) / length**2
    off = np.abs((p.x - x0) * (y1 - y0) - (p.y - y0) * (x1 - x0)) / length
    width = np.maximum(0.0015 + 0.01 * (1 - along) * (1 + 0.25 * p.warp[0]), 1e-3)
    trail = 1 - smoothstep(0.5, 1.2, off / width)
    alpha = 0.9 * trail * np.where((along > 0) & (along < 1), along, 0) ** 0.7
    p.cover(color(CLOUD_WHITE), alpha, sky=True)


def gulls(p: Painting, x: float, y: float, count: int):
    t = np.linspace(-1, 1, 17)
    wings = np.stack([1.7 * t, -1.5 * np.abs(t) ** 0.6 * (1.25 - np.abs(t)) - 0.25 * t], -1)
    with p.pen() as pen:
        for _ in range(count):
            at = np.array([x, y]) + p.rng.normal(0, (0.09, 0.05))
            size = p.rng.uniform(0.007, 0.016)
            pen.line(at + size * wings + (0, 0.0015), 1.6, "5a78b8")
            pen.line(at + size * wings, 1.3, "fffdf6")
