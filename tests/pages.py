"""What tests of reports share: a page as its reader sees it, and pictures and runs to report."""

from html.parser import HTMLParser

import numpy as np
from PIL import Image

LAYERS = ("relu1_1", "relu1_2", "relu2_1")

RUN = {
    "experiment": "learn_style",
    "config": "anime",
    "command": "python -m experiments.learn_style --config=anime --config.tv=3.0",
    "started": "2026-01-12T10:30:00+00:00",
    "finished": "2026-01-12T10:33:00+00:00",
    "status": "finished",
    "seconds": 180.0,
    "versions": {"python": "3.11.9", "jax": "0.10.2"},
    "device": "cpu (2 cores)",
    "git": None,
    "weights": {"name": "w", "digest": "3ee41", "credit": "Who", "random": False},
}


def metrics(steps=6, **changes):
    """The lines of metrics.jsonl of one picture, with two stages."""
    values = {"style": 0.3, "tv": 0.02} | {f"style/{layer}": 0.1 for layer in LAYERS}
    return [
        {"seed": 0, "stage": step // 4, "resolution": 32 << step // 4, "step": step}
        | {"loss": 1 / step, "values": values, "dispersion": 0.2, "seconds": step}
        | changes
        for step in range(1, steps + 1)
    ]


class Page(HTMLParser):
    """What a page holds: [(tag, attributes)], the headings, and the text as a reader sees it."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.headings, self.words, self.open = [], [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def alts(self):
        return [image["alt"] for image in self.all("img")]


def save_picture(path, height=20, width=20, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


def assert_needs_nothing_else(page):
    loads = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "data", "action", "poster")
    ]
    assert loads
    assert all(value.startswith("data:image/") for value in loads)
    assert not page.all("script")
    policies = [meta.get("content") for meta in page.all("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def assert_accessible(page):
    assert page.all("html") == [{"lang": "en"}]
    assert all(alt.strip() for alt in page.alts())
    assert all(header["scope"] in ("row", "col") for header in page.all("th"))
    assert any("width=device-width" in meta.get("content", "") for meta in page.all("meta"))
