"""Paint the demo dataset: summer landscapes in one anime look, each with its exact sky mask.

    python scripts/paint_anime.py --out data/anime --seed 0 --count 12

writes `01.jpg ..` (512 px), `masks/01.png ..` (255 is sky and clouds, 0 is what stands before them)
and `metadata.csv`, with the regions sky and ground. The same seed paints the same bytes. NumPy and
Pillow are all it needs, and two or three seconds per picture.

This file holds the compositions, each a list of layers from far to near; `anime/` paints them.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from anime.brushes import SIZE, WORK, Painting, smoothstep
from anime.land import (
    grass,
    meadow,
    mountains,
    paddies,
    path,
    ridge,
    river,
    road,
    sea,
    sunflowers,
    tree,
    woods,
)
from anime.sky import cirrus, contrail, cumulus, glow, gulls, sun
from anime.town import lighthouse, power_line, torii, town, turbine
from PIL import Image


def summer_town(rng):
    p = Painting(rng, horizon=0.8, sun=(-0.05, -0.05))
    cirrus(p, 0.25)
    cumulus(p, 0.95, 0.76, 0.4, 0.22, haze=0.35)
    cumulus(p, 0.6, 0.79, 0.72, 0.64)
    mountains(p, 0.73, 0.03, haze=0.45)
    woods(p, ridge(p, 0.76, 0.02), 0.08, 0.012, haze=0.3)
    town(p, 0.81, 0.09)
    power_line(p, [(-0.2, 0.8, 0.4), (0.12, 0.97, 0.72), (1.3, 0.9, 0.6)])
    grass(p, 0.95, 0.07, flowers=14, petals="daisy")
    return p


def headland(rng):
    p = Painting(rng, horizon=0.6, sun=(0.84, 0.13))
    sun(p)
    cumulus(p, 0.05, 0.6, 0.4, 0.18, haze=0.45)
    cumulus(p, 0.46, 0.61, 0.6, 0.42)
    sea(p, 0.6)
    meadow(p, ridge(p, 0.8, 0.02) + 0.14 * (p.x[0] - 0.5))
    tree(p, 0.2, 0.85, 0.62)
    gulls(p, 0.74, 0.4, 4)
    grass(p, 0.93, 0.08, flowers=40)
    return p


def hill_road(rng):
    p = Painting(rng, horizon=0.7, sun=(-0.1, 0.1))
    contrail(p, 0.08, 0.5, 0.36, 0.07)
    cumulus(p, 0.05, 0.7, 0.45, 0.2, haze=0.4)
    cumulus(p, 0.58, 0.72, 0.8, 0.58)
    mountains(p, 0.66, 0.03, haze=0.5)
    woods(p, ridge(p, 0.68, 0.015), 0.06, 0.012, haze=0.25)
    meadow(p, ridge(p, 0.715, 0.008))
    road(p, 0.6, 0.4, 0.3, -0.07, 0.715)
    power_line(p, [(0.66, 0.73, 0.07), (0.7, 0.76, 0.16), (0.77, 0.83, 0.36), (0.93, 1.02, 0.85)])
    grass(p, 0.99, 0.1, flowers=16, petals="daisy")
    return p


def rice_plain(rng):
    p = Painting(rng, horizon=0.6, sun=(0.93, 0.08))
    sun(p)
    cirrus(p, 0.2)
    cumulus(p, 0.75, 0.56, 0.5, 0.2, haze=0.3)
    cumulus(p, 0.3, 0.58, 0.7, 0.5)
    mountains(p, 0.54, 0.05, haze=0.35)
    woods(p, ridge(p, 0.575, 0.006), 0.03, 0.01, haze=0.3)
    town(p, 0.59, 0.05, rows=1, haze=0.3, flats=0)
    paddies(p, 0.6)
    power_line(p, [(1.1, 0.64, 0.2), (0.75, 0.65, 0.24), (0.34, 0.67, 0.29), (-0.2, 0.7, 0.35)])
    grass(p, 0.97, 0.09, flowers=10, petals="poppy")
    return p


def under_wires(rng):
    p = Painting(rng, horizon=0.95, sun=(1.05, 0.0))
    cumulus(p, 0.1, 0.9, 0.5, 0.3, haze=0.3)
    cumulus(p, 0.5, 0.95, 0.95, 0.78)
    town(p, 0.88, 0.13, rows=2, haze=0.1)
    power_line(p, [(-0.3, 0.9, 0.6), (0.82, 1.05, 0.95), (1.5, 0.7, 0.5)], sag=0.08)
    power_line(p, [(0.3, 0.93, 0.3), (0.82, 1.05, 0.95)])
    return p


def river_town(rng):
    p = Painting(rng, horizon=0.62, sun=(0.12, 0.1))
    sun(p)
    cumulus(p, 0.2, 0.6, 0.4, 0.2, haze=0.35)
    cumulus(p, 0.68, 0.62, 0.62, 0.5)
    mountains(p, 0.55, 0.05, haze=0.35)
    woods(p, ridge(p, 0.6, 0.015), 0.06, 0.011, haze=0.3)
    town(p, 0.63, 0.055, haze=0.3, flats=0.4)
    meadow(p, ridge(p, 0.71, 0.004))
    river(p, 0.5, 0.42, 0.36, 0.1, 0.71)
    power_line(p, [(0.76, 0.72, 0.12), (0.83, 0.77, 0.28), (0.96, 0.9, 0.62), (1.5, 1.2, 1.2)])
    grass(p, 0.96, 0.11, flowers=24, petals="rape")
    return p


def lighthouse_cape(rng):
    p = Painting(rng, horizon=0.7, sun=(0.2, 0.2))
    sun(p)
    cirrus(p, 0.1)
    cumulus(p, 0.85, 0.7, 0.5, 0.34, haze=0.3)
    cumulus(p, 0.42, 0.71, 0.85, 0.26)
    sea(p, 0.7)
    meadow(p, 0.62 + 0.5 * smoothstep(0.85, 0.2, p.x[0]) + ridge(p, 0, 0.012))
    lighthouse(p, 0.82, 0.65, 0.4)
    gulls(p, 0.4, 0.45, 6)
    grass(p, 0.93, 0.08, flowers=30, petals="cosmos")
    return p


def torii_hill(rng):
    p = Painting(rng, horizon=0.66, sun=(1.05, 0.05))
    cumulus(p, 0.9, 0.66, 0.5, 0.2, haze=0.4)
    cumulus(p, 0.3, 0.67, 0.75, 0.56)
    sea(p, 0.66)
    woods(p, ridge(p, 0.76, 0.02) - 0.12 * p.x[0], 0.2, 0.02)
    meadow(p, ridge(p, 0.83, 0.01))
    path(p, 0.55, 0.5, 0.15, 0.025, 0.83)
    torii(p, 0.53, 0.9, 0.4)
    grass(p, 0.97, 0.1, flowers=30, petals="poppy")
    return p


def wind_farm(rng):
    p = Painting(rng, horizon=0.75, sun=(0.16, 0.12))
    sun(p)
    contrail(p, 0.95, 0.5, 0.6, 0.1)
    cumulus(p, 0.45, 0.75, 0.9, 0.16, haze=0.4)
    cumulus(p, 0.2, 0.56, 0.3, 0.2, haze=0.1)
    cumulus(p, 0.84, 0.7, 0.55, 0.4)
    mountains(p, 0.7, 0.03, haze=0.45)
    turbine(p, 0.12, 0.8, 0.26, haze=0.4)
    turbine(p, 0.31, 0.8, 0.34, haze=0.25)
    turbine(p, 0.56, 0.82, 0.5, haze=0.1)
    meadow(p, ridge(p, 0.76, 0.02), haze=0.2)
    woods(p, ridge(p, 0.82, 0.02), 0.03, 0.014, haze=0.1)
    meadow(p, ridge(p, 0.85, 0.02) - 0.06 * (p.x[0] - 0.5))
    grass(p, 0.93, 0.1, flowers=50, petals="cosmos")
    return p


def sunflower_field(rng):
    p = Painting(rng, horizon=0.72, sun=(-0.05, 0.05))
    cirrus(p, 0.2)
    cumulus(p, 0.9, 0.7, 0.5, 0.25, haze=0.3)
    cumulus(p, 0.45, 0.72, 0.8, 0.6)
    mountains(p, 0.66, 0.03, haze=0.45)
    woods(p, ridge(p, 0.69, 0.012), 0.06, 0.014, haze=0.2)
    town(p, 0.71, 0.07, rows=1, haze=0.2, flats=0)
    meadow(p, ridge(p, 0.74, 0.006))
    sunflowers(p, 0.76)
    return p


def valley(rng):
    p = Painting(rng, horizon=0.5, sun=(1.0, 0.02))
    cumulus(p, 0.75, 0.4, 0.5, 0.2, haze=0.3)
    cumulus(p, 0.28, 0.44, 0.6, 0.36)
    mountains(p, 0.4, 0.06, haze=0.4)
    mountains(p, 0.47, 0.04, haze=0.15)
    woods(p, ridge(p, 0.5, 0.03), 0.12, 0.012, haze=0.3)
    town(p, 0.59, 0.07, rows=5, haze=0.3, flats=0.3)
    meadow(p, ridge(p, 0.77, 0.01))
    river(p, 0.98, 0.5, 0.16, 0.04, 0.78)
    woods(p, 0.55 + 0.42 * p.x[0] + ridge(p, 0, 0.02), 0.5, 0.03)
    power_line(p, [(1.1, 0.74, 0.3), (0.62, 0.88, 0.46), (0.1, 0.92, 0.72), (-0.5, 0.9, 0.8)])
    return p


def coast_road(rng):
    p = Painting(rng, horizon=0.58, sun=(0.22, 0.14))
    sun(p)
    cumulus(p, 0.1, 0.58, 0.5, 0.16, haze=0.45)
    cumulus(p, 0.45, 0.58, 0.4, 0.26, haze=0.2)
    cumulus(p, 0.72, 0.46, 0.5, 0.34)
    sea(p, 0.58)
    hill = 0.66 - 0.36 * smoothstep(0.42, 1.1, p.x[0]) + ridge(p, 0, 0.015)
    woods(p, hill + (p.x[0] < 0.44), 0.36, 0.022, haze=0.1)
    meadow(p, ridge(p, 0.71, 0.01) - 0.1 * p.x[0])
    road(p, 0.6, 0.56, 0.3, 0.07, 0.65)
    power_line(p, [(0.68, 0.66, 0.1), (0.8, 0.72, 0.24), (0.97, 0.86, 0.6), (1.5, 1.1, 1.0)])
    grass(p, 0.97, 0.1, flowers=24)
    return p


COMPOSITIONS = (
    summer_town,
    headland,
    hill_road,
    rice_plain,
    under_wires,
    river_town,
    lighthouse_cape,
    torii_hill,
    wind_farm,
    sunflower_field,
    valley,
    coast_road,
)


def picture(values: np.ndarray) -> Image.Image:
    """Values in [0, 1] at WORK as an 8-bit picture at SIZE."""
    return Image.fromarray(np.uint8(np.clip(values, 0, 1) * 255 + 0.5)).reduce(WORK // SIZE)


def paint(seed: int, index: int) -> tuple[Image.Image, Image.Image]:
    """Picture `index` of the series and its sky mask."""
    compose = COMPOSITIONS[index % len(COMPOSITIONS)]
    painting = compose(np.random.default_rng((seed, index)))
    glow(painting)
    return picture(painting.rgb), picture(painting.mask)


def refusal(args: argparse.Namespace) -> str:
    """Why these arguments cannot be served, in one line; empty if they can."""
    if args.count < 1:
        return f"--count (={args.count}) must be 1 or more"
    if args.seed < 0:
        return f"--seed (={args.seed}) must be 0 or more"
    if args.out.exists() and not args.out.is_dir():
        return f"--out (={args.out}) is a file; name a folder"
    if args.out.exists() and any(args.out.iterdir()) and not args.force:
        return f"--out (={args.out}) is not empty; name another, or add --force to paint over it"
    return ""


def main():
    parser = argparse.ArgumentParser(description="Paint the demo dataset.")
    parser.add_argument("--out", type=Path, default=Path("data/anime"), help="folder to paint into")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another summer")
    parser.add_argument("--count", type=int, default=len(COMPOSITIONS), help="number of pictures")
    parser.add_argument("--force", action="store_true", help="paint into a folder that has files")
    args = parser.parse_args()
    if error := refusal(args):
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

    (args.out / "masks").mkdir(parents=True, exist_ok=True)
    with (args.out / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("file_name", "weight", "mask_sky", "mask_ground"))
        for index in range(args.count):
            name, mask_name = f"{index + 1:02d}.jpg", f"masks/{index + 1:02d}.png"
            image, mask = paint(args.seed, index)
            image.save(args.out / name, quality=95, subsampling=0, optimize=True)
            mask.save(args.out / mask_name, optimize=True)
            rows.writerow((name, 1, mask_name, f"{mask_name}#000000"))


if __name__ == "__main__":
    main()
