"""The palette, the brush, the pen and the painting they are used on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageColor, ImageDraw

SIZE = 512  # of a finished picture
WORK = 2 * SIZE  # of the painted fields
CEL = 2 * WORK  # of what the pen draws, as on the transparent cels of animation

# Tone ramps: position and color, from shade to light, from zenith to horizon or from far to near.
# Two stops close together are the crisp step between two flat tones.
RAMPS = {
    "sky": "0 1450c0  .3 2172de  .58 4fa3f0  .8 98d4f8  .95 dcf1f2  1.06 fff0d2",
    "cloud": (
        "0 7490d2  .17 86a2dc  .22 a4bbe8  .38 b6caf0  .43 d6e1f7"
        "  .56 e6ebf8  .61 fcf9f1  .78 fffdf3  .84 fff7dd  1 fff4d4"
    ),
    "mountain": "0 2f62a8  .32 3a74b6  .38 4c8cc2  .6 5b9cc8  .66 7dbacd  1 8fc9cf",
    "foliage": (
        "0 12394f  .2 164a55  .25 1d6656  .42 257a55  .47 48a04c  .62 5cb04a"
        "  .67 9acb4e  .84 b4da5a  .9 e2ec7c  1 f0f293"
    ),
    "grass": (
        "0 1a6650  .24 23795a  .3 3f9c4f  .5 55ae4c  .55 86c64e  .74 9dd154  .8 cde465  1 e0ee7d"
    ),
    "sea": "0 a5dcf0  .12 58b4ea  .4 2d84d8  .75 1c66c0  1 1a57a8",
    "paddy": (
        "0 2c8a58  .3 45a352  .36 6fbb4e  .6 86c750  .66 b3d95c  .85 c9e267  .9 f0dd78  1 f6e48c"
    ),
    "road": "0 7384b2  .4 8796c0  .45 a3b1d0  .7 b4bfd8  .75 d3d6de  1 e6e2dc",
    "path": "0 b99f7c  .4 cdb48a  .45 e0cb9c  .7 ead8ac  .75 f5e8c4  1 fbf1d6",
}
INK = "1f2c57"
HAZE = "bfe2f5"  # what distance turns into
SHADE = "5a74b8"  # what the side away from the sun is tinted with
SUNLIGHT = "fff0bd"
FOAM = "fffbe8"


def color(code: str) -> np.ndarray:
    """f32[3] in [0, 1]."""
    return np.array(ImageColor.getrgb("#" + code), np.float32) / 255


def code(rgb: np.ndarray) -> str:
    """The inverse of `color`."""
    return "".join(f"{round(255 * float(value)):02x}" for value in rgb)


def mix(one: str, other: str, share: float) -> str:
    """The color code that lies `share` of the way from one to the other."""
    return code(color(one) + share * (color(other) - color(one)))


def tones(ramp: str, at: np.ndarray) -> np.ndarray:
    """f32[..., 3]: the colors of a ramp at positions, mostly in [0, 1]."""
    words = RAMPS[ramp].split()
    positions, colors = [float(word) for word in words[::2]], [color(word) for word in words[1::2]]
    fine = np.linspace(0, 1.1, 4096)  # a table: interpolating every pixel takes ten times as long
    table = [np.interp(fine, positions, channel) for channel in np.transpose(colors)]
    index = np.clip(np.asarray(at) * (4095 / 1.1), 0, 4095).astype(np.int16)
    return np.stack(table, -1).astype(np.float32)[index]


def hazy(paint: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Paint seen through air; share is a number or f32[h, w, 1]."""
    return paint + share * (color(HAZE) - paint)


def smoothstep(low: float, high: float, at: np.ndarray) -> np.ndarray:
    t = np.clip((at - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def noise(rng: np.random.Generator, across: int, down: int, octaves: int = 3) -> np.ndarray:
    """Smooth f32[WORK, WORK], mostly in [-1, 1], with `across` by `down` waves and finer ones."""
    total = np.zeros((WORK, WORK), np.float32)
    for octave in range(octaves):
        shape = (down * 2**octave + 2, across * 2**octave + 2)
        grid = Image.fromarray(rng.standard_normal(shape).astype(np.float32))
        total += 0.5**octave * np.asarray(grid.resize((WORK, WORK), Image.Resampling.BICUBIC))
    return 0.6 * total


def dabs(rng: np.random.Generator, length: int, width: int, tilt: float = -0.25) -> np.ndarray:
    """Overlapping flat brush strokes, each of one value: f32[WORK, WORK] in [-1, 1]."""
    count = 5 * WORK * WORK // (length * width)
    edge = np.array([-10, -2, -8, -8, -2, -10, 7, -9, 10, -1, 8, 7, 1, 10, -8, 7]) / 20
    stroke = edge.reshape(-1, 2) @ np.diag([length, width])
    angle = tilt + rng.normal(0, 0.35, count)
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], -1)
    strokes = stroke @ turn.reshape(-1, 2, 2) * rng.uniform(0.6, 1.4, (count, 1, 1))
    strokes += rng.uniform(-length, WORK + length, (count, 1, 2))
    sheet = Image.new("L", (WORK, WORK), 128)
    draw = ImageDraw.Draw(sheet)
    values = rng.integers(0, 256, count).tolist()
    for points, value in zip(strokes.reshape(count, -1).tolist(), values, strict=True):
        draw.polygon(points, fill=value)
    return np.asarray(sheet, np.float32) / 127.5 - 1


def receding(field: np.ndarray, depth: np.ndarray, rows: float) -> np.ndarray:
    """The field lying down: `depth` is 0 at the far edge, 1 at our feet, and far rows crowd."""
    return np.take_along_axis(field, (rows * np.log(depth + 0.04)).astype(int) % WORK, 0)


class Pen:
    """Draws inked flat shapes on one transparent sheet; its weight scales every line."""

    def __init__(self, weight: float, ink: str):
        self.weight, self.ink = weight * CEL / SIZE, ink
        self.sheet = Image.new("RGBA", (CEL, CEL), f"#{ink}00")
        self.draw = ImageDraw.Draw(self.sheet)

    def line(self, points: Iterable, width: float = 1.0, ink: str = ""):
        path = [(float(x) * CEL, float(y) * CEL) for x, y in points]
        self.draw.line(path, f"#{ink or self.ink}", max(1, round(width * self.weight)), "curve")

    def shape(self, points: Iterable, fill: str, outline: float = 0.8):
        path = [(float(x) * CEL, float(y) * CEL) for x, y in points]
        self.draw.polygon(path, "#" + fill)
        if outline:
            closed = [*path, *path[:2]]  # two points more, or the first corner has no joint
            self.draw.line(closed, "#" + self.ink, max(1, round(outline * self.weight)), "curve")

    def spot(self, at: Iterable, radius: float, fill: str, outline: float = 0.0):
        x, y = at
        box = [(v + side * radius) * CEL for side in (-1, 1) for v in (x, y)]
        self.draw.ellipse(box, "#" + fill, "#" + self.ink, round(outline * self.weight))


class Painting:
    """A picture in the making: a gradient sky, lit by a sun at (x, y) in the picture or outside.

    rgb: f32[WORK, WORK, 3]; mask: f32[WORK, WORK], the share of sky in each pixel.
    """

    def __init__(self, rng: np.random.Generator, horizon: float, sun: tuple[float, float]):
        self.rng, self.sun = rng, sun
        self.y, self.x = np.mgrid[:WORK, :WORK].astype(np.float32) / WORK
        self.fine, self.broad = dabs(rng, 28, 9), dabs(rng, 110, 34)
        self.strokes = 0.06 * self.fine + 0.03 * self.broad  # what jitters every tone
        self.warp = [noise(rng, 14, 14, 4) + 0.3 * self.fine for _ in "xy"]
        toward = np.array([sun[0] - 0.5, sun[1] - 0.75, 0.45])
        self.light = toward / np.linalg.norm(toward)
        self.from_sun = np.hypot(self.x - sun[0], self.y - sun[1])
        depth = self.y / horizon + 0.04 * self.broad + 0.02 * self.fine
        self.rgb = tones("sky", depth + 0.34 * np.exp(-self.from_sun / 0.24))
        self.mask = np.ones((WORK, WORK), np.float32)

    def cover(self, paint: np.ndarray, alpha: np.ndarray, sky: bool = False):
        """Lay paint over what is there. Only what belongs to the sky leaves the mask alone."""
        self.rgb += alpha[..., None] * (paint - self.rgb)
        if not sky:
            self.mask *= 1 - alpha

    def below(self, line: np.ndarray | float) -> np.ndarray:
        """Coverage f32[WORK, WORK] of what lies under a line, its edge one pixel soft."""
        return np.clip((self.y - line) * WORK + 0.5, 0, 1)

    @contextmanager
    def pen(self, weight: float = 1.0, ink: str = INK) -> Iterator[Pen]:
        """A sheet to draw on, laid over the painting at the end of the block."""
        pen = Pen(weight, ink)
        yield pen
        sheet = np.asarray(pen.sheet.reduce(CEL // WORK), np.float32) / 255
        self.cover(sheet[..., :3], sheet[..., 3])


def puffs(rng, light, at, radius, tone, depth) -> Iterator[tuple[float, ...]]:
    """A ball, as (x, y, z, radius, tone), and the smaller balls that grow on its upper side."""
    yield *at, radius, tone
    for _ in range((0, 5, 9)[depth]):
        around, up = rng.uniform(-1.12 * np.pi, 0.12 * np.pi), rng.uniform(0.1, 0.9)
        flat = np.sqrt(1 - up * up)
        out = np.array([np.cos(around) * flat, np.sin(around) * flat, up])
        child = np.array(at) + 0.84 * radius * out
        size, shade = radius * rng.uniform(0.28, 0.52), tone + 0.15 * (out @ light)
        yield from puffs(rng, light, child, size, shade, depth - 1)


def billows(p: Painting, balls: Iterable, warp: float) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and tone, f32[WORK, WORK] each, of balls seen from the front.

    They are seen through a warp of about `warp` picture widths, or they would look like balls.
    """
    height = np.full((WORK, WORK), -np.inf, np.float32)
    tone = np.zeros((WORK, WORK), np.float32)
    x, y = p.x + warp * p.warp[0], p.y + warp * p.warp[1]
    margin = warp * max(float(np.abs(offset).max()) for offset in p.warp)
    light = p.light.tolist()
    for ball in balls:
        cx, cy, cz, radius, shade = map(float, ball)  # NumPy scalars would promote all to float64
        reach = radius + margin
        box = tuple(
            slice(max(0, int((c - reach) * WORK)), max(0, int((c + reach) * WORK) + 1))
            for c in (cy, cx)
        )
        dx, dy = (x[box] - cx) / radius, (y[box] - cy) / radius
        inside = 1 - dx * dx - dy * dy
        dz = np.sqrt(np.maximum(inside, 0))
        top = cz + radius * dz
        front = (inside > 0) & (top > height[box])
        lit = shade + 0.34 * (dx * light[0] + dy * light[1] + dz * light[2])
        np.copyto(height[box], top, where=front)
        np.copyto(tone[box], lit, where=front)
    return np.isfinite(height).astype(np.float32), tone
