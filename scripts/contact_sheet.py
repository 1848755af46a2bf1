"""Pictures side by side on one sheet, for a README or to compare runs.

python scripts/contact_sheet.py sheet.png runs/a/style.png runs/b/style.png --columns 2
python scripts/contact_sheet.py sheet.png a.png b.png --labels "a" "b" --size 256
"""

import argparse
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image, ImageDraw, ImageFont

from styleinv import files, images
from styleinv.errors import InputError

GAP = 8


def sheet(paths: list[Path], labels: list[str], size: int, columns: int) -> Image.Image:
    """The pictures at size x size pixels (cropped to squares), each above its label."""
    below = 24 if labels else 0
    rows = -(-len(paths) // columns)
    width, height = columns * (size + GAP) - GAP, rows * (size + below + GAP) - GAP
    page = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for i, path in enumerate(paths):
        x, y = i % columns * (size + GAP), i // columns * (size + below + GAP)
        picture = images.to_bytes(images.resize(images.read(path), size, size))
        page.paste(Image.fromarray(picture), (x, y))
        if labels:
            draw.text((x + size / 2, y + size + 4), labels[i], "black", font, anchor="ma")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="a .png or .jpg to write")
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--labels", nargs="+", default=[], help="one for each picture")
    parser.add_argument("--size", type=int, default=256, help="side of a picture in pixels")
    parser.add_argument("--columns", type=int, default=0, help="0 puts all in one row")
    arguments = parser.parse_args()
    if arguments.labels and len(arguments.labels) != len(arguments.pictures):
        parser.error("give one label for each picture")
    try:
        columns = arguments.columns or len(arguments.pictures)
        page = sheet(arguments.pictures, arguments.labels, arguments.size, columns)
        files.write(arguments.out, encode(page, arguments.out.suffix))
    except InputError as error:
        parser.error(str(error))


def encode(page: Image.Image, suffix: str) -> bytes:
    """A JPEG of high quality for .jpg, else a PNG."""
    buffer = io.BytesIO()
    if suffix == ".jpg":
        page.save(buffer, "JPEG", quality=92, subsampling=0)
    else:
        page.save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
