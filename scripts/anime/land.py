"""Mountains, woods, fields and water, and the grass and flowers at our feet."""

import numpy as np

from .brushes import (
    FOAM,
    HAZE,
    INK,
    SIZE,
    WORK,
    Painting,
    Pen,
    billows,
    code,
    color,
    dabs,
    hazy,
    mix,
    noise,
    puffs,
    receding,
    smoothstep,
    tones,
)

PETALS = {
    "mixed": ("ffffff", "ffe27a", "ff9a7a", "ffd1dc"),
    "daisy": ("ffffff", "fff6d0"),
    "poppy": ("ff8a66", "f2674e", "ffb38a"),
    "rape": ("ffe14d", "ffd02e", "fff08a"),
    "cosmos": ("ffd1dc", "ffa9c4", "ffffff"),
}

# ---------------------------------------------------------------------------------------- hills


def ridge(p: Painting, y: float, rough: float, waves: int = 3) -> np.ndarray:
    """A skyline f32[WORK] around height y."""
    return y + rough * noise(p.rng, waves, 2, 6)[WORK // 2]


def outline(p: Painting, line: np.ndarray, ink: str):
    at = np.arange(0, WORK, 4)
    with p.pen() as pen:
        pen.line(zip(at / WORK, line[at], strict=True), 0.8, ink)


def mountains(p: Painting, y: float, rough: float, haze: float):
    """A far range, all blue air."""
    line = ridge(p, y, rough, 4)
    folds = noise(p.rng, 9, 5, 4) + 0.5 * noise(p.rng, 30, 8, 2)
    paint = tones("mountain", 0.5 + 0.28 * folds - 0.9 * (p.y - line - 0.06) + 2 * p.strokes)
    mist = np.clip(haze + 2.2 * (p.y - line), 0, 1)[..., None]
    p.cover(hazy(paint, mist), p.below(line))
    outline(p, line, mix("2f62a8", HAZE, haze))


def meadow(p: Painting, line: np.ndarray, haze: float = 0.0):
    """A slope of grass under a line f32[WORK], with the shadows of clouds on it."""
    depth = np.clip((p.y - line) / 0.3, 0, 1)
    tufts = receding(dabs(p.rng, 30, 8, -1.4), depth, 300)
    tone = 0.56 + 0.24 * noise(p.rng, 3, 7, 2) + 0.11 * tufts + p.strokes - 0.3 * (p.y - line)
    p.cover(hazy(tones("grass", tone), haze), p.below(line))
    outline(p, line, mix("1a5a50", HAZE, haze))


def woods(p: Painting, line: np.ndarray, depth: float, crown: float, haze: float = 0.0):
    """Tree crowns crowded along and below a line f32[WORK]."""
    rng, balls = p.rng, []
    patches = noise(rng, 5, 5, 2)[0]
    for row, drop in enumerate(np.arange(0, depth, 0.75 * crown)):
        for x in np.arange(-crown, 1 + crown, 1.15 * crown) + rng.normal(0, 0.3) * crown:
            at = int(np.clip(x, 0, 0.999) * WORK)
            tone = 0.3 + 0.1 * patches[at] + rng.normal(0, 0.05) - 0.06 * (drop / depth)
            y = line[at] + drop + rng.normal(0, 0.2) * crown
            if y - 2 * crown < 1:
                radius, leaves = crown * rng.uniform(0.7, 1.3), int(crown > 0.011)
                balls += puffs(rng, p.light, (x, y, 2 * row * crown), radius, tone, leaves)
    cover, tone = billows(p, balls, warp=0.35 * crown)
    p.cover(hazy(tones("foliage", tone + p.strokes), haze), cover)


def tree(p: Painting, x: float, base: float, height: float):
    """One broad tree: a forked trunk under a heap of leaves, its shadow on the grass."""
    rng, crown = p.rng, base - 0.66 * height
    slant = np.hypot((p.x - x + 0.12 * height * np.sign(p.light[0])) / 0.4, (p.y - base) / 0.055)
    shadow = smoothstep(1.05, 0.9, slant / height + 0.1 * p.fine) * 0.75
    p.cover(tones("foliage", 0.3 + 2 * p.strokes), shadow * (p.mask < 0.5))
    lit = np.array([0.006 * height * np.sign(p.light[0]), 0])
    with p.pen() as pen:
        for reach in (-0.22, -0.08, 0.1, 0.24):
            t = np.linspace(0, 1, 8)
            way = np.stack([x + reach * height * t * t, base - 0.75 * height * t], -1)
            for k in range(7):
                pen.line(way[k : k + 2], 0.05 * height * SIZE * (1 - 0.12 * k), "4a3a55")
                pen.line(way[k : k + 2] + lit, 0.02 * height * SIZE * (1 - 0.12 * k), "9a746c")
    balls = []
    for k in range(46):
        angle, far = 2.4 * k, np.sqrt((k + 0.5) / 46)
        cx = x + 0.4 * height * far * np.cos(angle) + rng.normal(0, 0.02) * height
        cy = crown + 0.25 * height * far * np.sin(angle) + rng.normal(0, 0.02) * height
        tone = 0.25 + 0.55 * (crown - cy) / height + 0.4 * (cx - x) / height * p.light[0]
        cz = height * (0.12 * (1 - far) + rng.normal(0, 0.03))
        radius = height * rng.uniform(0.055, 0.1)
        balls += puffs(rng, p.light, (cx, cy, cz), radius, tone, 2)
    cover, tone = billows(p, balls, warp=0.01)
    p.cover(tones("foliage", tone + 2 * p.strokes), cover)


# --------------------------------------------------------------------------- fields and water


def strip(
    p: Painting, x: float, near: float, half: float, bend: float, y: float
) -> tuple[np.ndarray, np.ndarray]:
    """A road or river from (x, y) to (near, 1): coverage, and place across it in [-1, 1]."""
    depth = np.maximum(p.y - y, 0) / (1 - y)
    center = x + (near - x) * depth + bend * np.sin(2 * np.pi * depth**0.6) * depth**0.3
    width = half * (depth + 0.03)
    across = (p.x - center) / width
    return np.clip((1 - np.abs(across)) * width * WORK + 0.5, 0, 1) * p.below(y), across


def road(p: Painting, x: float, near: float, half: float, bend: float, y: float):
    """An asphalt road with white lines."""
    p.cover(tones("path", 0.5 + 2 * p.strokes), strip(p, x, near, half * 1.13, bend, y)[0])
    cover, across = strip(p, x, near, half, bend, y)
    p.cover(tones("road", 0.57 + 1.3 * p.strokes), cover)
    dash = np.sin(26 * np.log(np.maximum(p.y - y, 1e-3))) > 0
    lines = (np.abs(np.abs(across) - 0.86) < 0.035) | ((np.abs(across) < 0.03) & dash)
    p.cover(color("fffaf0"), cover * lines)


def path(p: Painting, x: float, near: float, half: float, bend: float, y: float):
    """A trodden footpath."""
    wobble = 1 + 0.05 * p.fine
    cover, _ = strip(p, x, near, half, bend, y)
    p.cover(tones("path", 0.57 + 1.6 * p.strokes), cover * np.minimum(wobble, 1))


def river(p: Painting, x: float, near: float, half: float, bend: float, y: float):
    p.cover(tones("foliage", 0.3 + p.strokes), strip(p, x, near, half * 1.12, bend, y)[0])
    cover, across = strip(p, x, near, half, bend, y)
    depth = np.clip((p.y - y) / (1 - y), 0, 1)
    ripples = receding(dabs(p.rng, 60, 7, 0.0), depth, 420)
    paint = tones("sea", 0.12 + 0.42 * depth + 0.12 * ripples + 0.14 * np.abs(across))
    glint = np.clip((ripples - 0.75) * 8, 0, 0.8)[..., None]
    p.cover(paint + glint * (color(FOAM) - paint), cover)


def sea(p: Painting, y: float):
    """Open water to the horizon, with the sun's path on it."""
    depth = np.clip((p.y - y) / (1 - y), 0, 1)
    ripples = receding(dabs(p.rng, 60, 7, 0.0), depth, 420)
    paint = tones("sea", depth**0.7 + 0.12 * ripples * np.sqrt(depth + 0.05))
    lane = np.exp(-(((p.x - p.sun[0]) / (0.1 + 0.25 * depth)) ** 2)) * (1 - 0.85 * depth)
    glint = np.clip((ripples + 0.75 * lane - 0.95) * 8, 0, 1) * np.clip(0.3 + lane, 0, 1)
    p.cover(paint + glint[..., None] * (color(FOAM) - paint), p.below(y))


def paddies(p: Painting, y: float, x: float = 0.5):
    """A plain of rice fields between straight dikes."""
    depth = np.maximum(p.y - y, 2e-3)
    w = 0.5 / (depth + 0.02)
    u = 0.8 * (p.x - x + 0.13) / depth + 0.37 * np.floor(w)  # each rank of fields is shifted
    kind = np.modf(np.abs(np.sin(np.floor(u) * 12.99 + np.floor(w) * 78.2)) * 43758.5)[0]
    rows = 0.1 * np.sin(2 * np.pi * 11 * u) * smoothstep(0.03, 0.15, depth)
    paint = tones("paddy", 0.18 + 0.66 * kind + rows + 2 * p.strokes)
    edge = np.minimum(np.abs(u - np.round(u)), np.abs(w - np.round(w)))
    paint[edge < 0.04] = tones("foliage", 0.35 + 2 * p.strokes)[edge < 0.04]
    p.cover(hazy(paint, 0.6 * np.exp(-depth / 0.05)[..., None]), p.below(y))


# ---------------------------------------------------------------------------------- at our feet


def grass(p: Painting, y: float, height: float, flowers: int = 0, petals: str = "mixed"):
    """Blades from the line y down to the lower edge, the nearest the largest and in shade."""
    rng, steps = p.rng, np.linspace(0, 1, 12)
    greens = [code(green) for green in tones("grass", steps)]
    p.cover(tones("grass", 0.28 + p.strokes), p.below(ridge(p, y + 0.05 * height, 0.1 * height, 5)))
    with p.pen() as pen:
        for depth in np.linspace(0, 1, 9):
            base, size = y + (1.08 - y) * depth, height * (0.45 + 0.8 * depth)
            for x in rng.uniform(-0.05, 1.05, int(150 - 60 * depth)):
                tall, lean = size * rng.uniform(0.5, 1.2), rng.normal(0.25, 0.3)
                shade = np.clip(rng.normal(8 - 5.5 * depth, 1.6), 0, 11)
                blade(pen, x, base + 0.02, tall, lean, greens[int(shade)])
            for x in rng.uniform(0, 1, int(flowers * (1 - 0.5 * depth) / 6 + 0.5)):
                petal, tall = rng.choice(PETALS[petals]), size * rng.uniform(0.7, 1.4)
                flower(pen, rng, x, base, tall, 0.004 + 0.006 * depth, petal)


def blade(pen: Pen, x: float, y: float, tall: float, lean: float, green: str):
    t = np.linspace(0, 1, 6)
    half = 0.035 * tall * (1 - t**1.5) + 0.0003
    spine, up = x + lean * tall * t * t, y - tall * t
    sides = (spine - half, up), ((spine + half)[::-1], up[::-1])
    pen.shape(np.concatenate(sides, -1).T, green, 0)


def flower(
    pen: Pen, rng: np.random.Generator, x: float, y: float, tall: float, size: float, petal: str
):
    top = x + 0.2 * tall, y - tall
    pen.line([(x, y), (x + 0.05 * tall, y - tall / 2), top], 1.0, "2c8050")
    for turn in np.arange(5) / 5 * 2 * np.pi + rng.uniform(0, 1):
        u, v = top[0] + size * np.cos(turn), top[1] + 0.7 * size * np.sin(turn)
        pen.spot((u, v), 0.62 * size, petal, 0.3)
    pen.spot(top, 0.5 * size, "f2b84a")


def sunflowers(p: Painting, y: float):
    """Rows of sunflowers that look toward us, the nearest as large as a face."""
    rng = p.rng
    p.cover(tones("foliage", 0.36 - 0.6 * (p.y - y) + 3 * p.strokes), p.below(y + 0.03))
    with p.pen() as pen:
        for size in np.geomspace(0.009, 0.05, 6):
            base = y + 4.2 * (size - 0.012)
            for x in np.arange(-size, 1 + size, 3.0 * size) + rng.uniform(-1, 1) * size:
                top = x + rng.normal(0, 0.4) * size, base + rng.normal(0, 0.6) * size
                sunflower(pen, rng, top, size * rng.uniform(0.85, 1.15))


def sunflower(pen: Pen, rng: np.random.Generator, top: tuple[float, float], size: float):
    at = np.array(top)
    pen.line([at, at + size * np.array((0.25, 7))], 120 * size, "3a8f4e")
    leaf = np.array([(0, 0), (0.6, -0.55), (1.3, -0.6), (2.1, 0.1), (1.3, 0.45), (0.6, 0.4)])
    for side, drop in ((-1, 1.5), (1, 2.1), (-1, 2.9), (1, 3.7)):
        green = rng.choice(("48a04c", "5cb04a", "3f9350", "7dbd4d"))
        pen.shape(at + size * (leaf * (side, 1) + (0.1, drop)), green, 10 * size)
        vein = leaf[[0, 3]] * (side, 1) + (0.1, drop)
        pen.line(at + size * vein, 8 * size, "2c7f52")
    for ring, petal in ((1.25, "f0a42b"), (1.12, "ffd440")):
        for turn in np.arange(14) / 14 * 2 * np.pi + rng.uniform(0, 1):
            out = np.array([np.cos(turn), 0.9 * np.sin(turn)])
            side = 0.2 * np.array([-out[1], out[0]])
            tips = 0 * out, 0.7 * out + side, ring * out, 0.7 * out - side
            pen.shape(at + size * np.array(tips), petal, 9 * size)
    pen.spot(at, 0.52 * size, "6b4430", 0.6)
    pen.spot(at + size * np.array((-0.06, -0.08)), 0.33 * size, INK if size < 0.01 else "8d5c38")
