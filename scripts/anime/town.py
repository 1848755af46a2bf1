"""What people built: houses, power lines, a torii, a lighthouse, wind turbines."""

from collections.abc import Callable

import numpy as np

from .brushes import HAZE, INK, SHADE, SIZE, Painting, Pen, mix, tones
from .land import ridge, woods

WALLS = ("fff6e6", "f6e3c9", "e9eef5", "ffffff", "f3d3b4", "dfe9e4")
ROOFS = ("d8684a", "c2543f", "3f6fae", "4f88b8", "5a6a94", "e59a57", "3d8f8c")
WINDOWS = ("5fa8dc", "3d7fc4", "8fcdf0", "ffd979")


def tinter(haze: float) -> Callable[..., str]:
    """A function of a color and of how far it lies in shade, for things this deep in the haze."""
    return lambda hue, shade=0.0: mix(mix(hue, SHADE, shade), HAZE, haze)


def house(pen: Pen, rng: np.random.Generator, x: float, y: float, size: float, haze: float):
    """A gabled house: the gable in front, the long side turned to the left or to the right."""
    flip, tint = rng.choice((-1, 1)), tinter(haze)
    front, wall, side, gable = size * rng.uniform((0.5, 0.42, 0.6, 0.24), (0.65, 0.6, 1.0, 0.36))
    plaster, roof = rng.choice(WALLS), rng.choice(ROOFS)
    front_shade, side_shade = (0.0, 0.38) if flip < 0 else (0.3, 0.0)

    def at(*points):
        return [(x + flip * u, y - v) for u, v in points]

    peak = wall + gable
    gabled = at((0, 0), (front, 0), (front, wall), (front / 2, peak), (0, wall))
    pen.shape(gabled, tint(plaster, front_shade))
    end = front + side
    pen.shape(at((front, 0), (end, 0), (end, wall), (front, wall)), tint(plaster, side_shade))
    eave, drop = 0.07 * size, wall - 0.06 * size
    near = np.array([(front / 2 - eave / 2, peak), (front + eave / 2, drop)])
    far = np.array([(front / 2 + side + eave / 2, peak), (end + eave, drop)])
    pen.shape(at(near[0], far[0], far[1], near[1]), tint(roof, 0.6 * side_shade))
    for t in np.linspace(0.2, 0.85, 4):
        row = at(*(edge[0] + t * (edge[1] - edge[0]) for edge in (near, far)))
        pen.line(row, 0.6, tint(roof, 0.35))
    pen.line(at((-eave, drop), near[0]), 2.0, tint(roof, 0.3))
    for u in (0.18, 0.58):
        left, right = front + side * u, front + side * (u + 0.26)
        window(pen, rng, at((left, wall * 0.72), (right, wall * 0.3)), tint)
    window(pen, rng, at((front * 0.3, wall * 0.85), (front * 0.7, wall * 0.5)), tint)


def block(pen: Pen, rng: np.random.Generator, x: float, y: float, size: float, haze: float):
    """A block of flats with a water tank and an aerial on the roof."""
    wide, side, tall = size * rng.uniform((0.7, 0.2, 0.9), (1.1, 0.35, 1.7))
    plaster, tint = rng.choice(WALLS), tinter(haze)

    def box(left, low, right, high):
        return [(x + u, y - v) for u, v in ((left, low), (right, low), (right, high), (left, high))]

    slab, eave = tall + 0.05 * size, 0.02 * size
    pen.shape(box(0, 0, wide, tall), tint(plaster, 0.05))
    pen.shape(box(wide, 0, wide + side, tall), tint(plaster, 0.42))
    pen.shape(box(-eave, tall, wide + side + eave, slab), tint(plaster, 0.2))
    pen.shape(box(0.2 * wide, slab, 0.5 * wide, slab + 0.2 * size), tint(plaster, 0.3))
    pen.line(box(0.8 * wide, slab, 0.8 * wide, slab + 0.35 * size)[1:3], 0.7, tint(INK))
    floors, bays = max(2, int(tall / (0.26 * size))), max(2, int(wide / (0.24 * size)))
    high, across = tall / floors, wide / bays
    for low in np.arange(floors) * high:
        for left in np.arange(bays) * across:
            pane = box(
                left + 0.2 * across, low + 0.85 * high, left + 0.85 * across, low + 0.3 * high
            )
            window(pen, rng, pane[::2], tint)
        pen.line(box(0, low, wide, low)[:2], 0.6, tint(plaster, 0.5))


def window(pen: Pen, rng: np.random.Generator, corners: list, tint: Callable[..., str]):
    (x0, y0), (x1, y1) = corners
    pen.shape([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], tint(rng.choice(WINDOWS)), 0.6)
    pen.line([((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)], 0.5, tint("ffffff"))


def town(
    p: Painting, y: float, size: float, rows: int = 3, haze: float = 0.25, flats: float = 0.25
):
    """Rows of houses, each nearer and larger than the last, with bushes between them."""
    p.cover(tones("foliage", 0.3 + p.strokes), p.below(y))
    for row in range(rows):
        far = 1 - row / max(1, rows - 1)
        scale, base = size * (1 - 0.35 * far), y + 0.55 * size * row
        with p.pen(min(1, 12 * scale), mix(INK, HAZE, haze * far)) as pen:
            for x in np.arange(-scale, 1 + scale, 1.35 * scale):
                build = block if p.rng.random() < flats * (0.4 + far) else house
                x, large = x + p.rng.normal(0, 0.15) * scale, scale * p.rng.uniform(0.8, 1.1)
                build(pen, p.rng, x, base + 0.06 * scale, large, haze * far)
        hedge = ridge(p, base + 0.02 * scale, 0.16 * scale, 9)
        woods(p, hedge, 0.5 * scale, 0.16 * scale, 0.7 * haze * far)


def power_line(p: Painting, feet: list[tuple[float, float, float]], sag: float = 0.04):
    """Poles at (x, base, height) and the wires between them."""
    with p.pen() as pen:
        ties = [pole(pen, *foot) for foot in feet]
        for one, other, (_, _, height) in zip(ties, ties[1:], feet[1:], strict=False):
            for start, end in zip(one, other, strict=True):
                wire(pen, start, end, sag * height, 0.6 + 0.6 * height)


def wire(pen: Pen, start: tuple, end: tuple, sag: float, width: float):
    t = np.linspace(0, 1, 40)[:, None]
    path = np.array(start) + t * (np.array(end) - start) + (0, 4 * sag) * t * (1 - t)
    pen.line(path, width)


def pole(pen: Pen, x: float, base: float, height: float) -> list[tuple[float, float]]:
    """A utility pole; returns the points where the wires are tied."""
    half, top = 0.011 * height, base - height

    def box(left, high, right, low):
        return [(left, high), (right, high), (right, low), (left, low)]

    shaft = [(x - half, base), (x + half, base), (x + 0.7 * half, top), (x - 0.7 * half, top)]
    pen.shape(shaft, "8d90a8", 1.0)
    pen.line([(x - 0.4 * half, base), (x - 0.3 * half, top)], 0.7 * half * SIZE, "e3ded2")
    ties = []
    for drop, reach in ((0.04, 0.13 * height), (0.13, 0.1 * height)):
        arm, deep = top + drop * height, 0.008 * height
        pen.shape(box(x - reach, arm, x + reach, arm + deep), "5f6788")
        for u in (x - reach, x + reach, x - reach / 2, x + reach / 2):
            cup = [(u - deep / 2, arm), (u + deep / 2, arm), (u, arm - 2.4 * deep)]
            pen.shape(cup, "f2efe6", 0.6)
            ties.append((u, arm - 2 * deep))
    can, left, wide = top + 0.2 * height, x + half, 0.032 * height
    pen.shape(box(left, can, left + wide, can + 0.085 * height), "a9b3cc", 0.9)
    shine = left + 0.3 * wide
    pen.line([(shine, can + 0.01 * height), (shine, can + 0.07 * height)], 1.2, "e8edf5")
    for rung in range(6):
        step, out = base - height * (0.25 + 0.07 * rung), 2.2 * half * (-1) ** rung
        pen.line([(x, step), (x + out, step)], 0.8)
    return ties


def torii(p: Painting, x: float, base: float, height: float):
    """A shrine gate, drawn bar by bar from the ground up."""
    light, dark, stone = "e0563a", "c2412f", "3a4168"
    with p.pen() as pen:

        def bar(low, high, left, right, fill, flare=0.0):
            path = [(left, low), (right, low), (right + flare, high), (left - flare, high)]
            pen.shape([(x + u * height, base - v * height) for u, v in path], fill)

        for side in (-1, 1):
            inner, outer = sorted((0.35 * side, 0.43 * side))
            bar(0, 0.9, inner, outer, light if side * p.light[0] > 0 else dark, -0.008)
            bar(0, 0.07, inner - 0.01, outer + 0.01, stone)
        bar(0.66, 0.72, -0.5, 0.5, light)
        bar(0.72, 0.88, -0.04, 0.04, dark)
        bar(0.87, 0.94, -0.54, 0.54, light, 0.015)
        bar(0.94, 1.0, -0.58, 0.58, stone, 0.03)


def lighthouse(p: Painting, x: float, base: float, height: float):
    """A white tower with one red band, its side away from the sun in shade."""
    sunny = np.sign(p.light[0])
    parts = (
        (0, 0.72, 0.13, 0.085, "fffaf0"),
        (0.32, 0.48, 0.11, 0.1, "d8684a"),
        (0.72, 0.77, 0.13, 0.13, "5a6a94"),
        (0.77, 0.89, 0.07, 0.07, "8fcdf0"),
        (0.89, 1.0, 0.095, 0.015, "d8684a"),
    )
    with p.pen() as pen:
        for low, high, wide, narrow, fill in parts:
            for shade, inner, line in ((0.38, -1, 0.9), (0.0, -0.25, 0)):
                path = [(inner * wide, low), (wide, low), (narrow, high), (inner * narrow, high)]
                place = [(x + sunny * u * height, base - v * height) for u, v in path]
                pen.shape(place, mix(fill, SHADE, shade), line)
        for level in (0.1, 0.55):
            pane = [(-0.02, level), (0.02, level), (0.02, level + 0.08), (-0.02, level + 0.08)]
            pen.shape([(x + u * height, base - v * height) for u, v in pane], "3d5f94")


def turbine(p: Painting, x: float, base: float, height: float, haze: float):
    """A wind turbine, three blades turned to where the wind left them."""
    fill, hub, half = mix("fffdf6", HAZE, haze), base - 0.66 * height, 0.014 * height
    tower = [(x - half, base), (x + half, base), (x + half / 2, hub), (x - half / 2, hub)]
    with p.pen(0.8, mix("3f5f9c", HAZE, haze)) as pen:
        pen.shape(tower, fill)
        center = np.array([x, hub])
        for angle in p.rng.uniform(0, 2) + np.arange(3) * 2 * np.pi / 3:
            out = 0.34 * height * np.array([np.cos(angle), np.sin(angle)])
            side = np.array([-out[1], out[0]])
            tips = 0 * out, 0.2 * out + 0.075 * side, out, 0.1 * out - 0.025 * side
            pen.shape(center + np.array(tips), fill)
        pen.spot(center, 0.02 * height, fill, 0.8)
