"""One typed schema for every experiment. The comments are what `--help` prints.

Imported by `experiments` and `configs` only: nothing else in `styleinv` sees a config.
"""

from dataclasses import dataclass, field


@dataclass
class Dataset:
    path: str = "data/anime"  # a folder, an image or several, or a style.safetensors
    size: int = 0  # how many of its images, drawn by dataset.seed; 0 takes all
    seed: int = 0  # which of them, where size is less than all
    weights: tuple[float, ...] = ()  # one per image, in their order; instead of the manifest's
    originals: str = ""  # folder of the photographs that were filtered, by the images' names
    masks: tuple[str, ...] = ()  # of a single image: NAME=FILE (white is inside), or a colored map
    unreadable: str = "refuse"  # a picture that cannot be used: refuse, or skip it (measure only)
    region: tuple[str, ...] = ("all",)  # a style of each: all, mask or a mask's name, or rest


@dataclass
class Content:
    path: str = ""  # a photo, or a folder of them (transfer only)
    masks: tuple[str, ...] = ()  # of a single photo: NAME=FILE (white is inside), or a colored map
    layers: tuple[str, ...] = ("relu4_2",)  # where the photo's features are kept
    normalization: str = "relative"  # how the content term counts: relative, gatys or mean
    original_colors: str = "no"  # keep the photo's colors: no, luminance or match
    bits: int = 0  # per channel of the saved picture, 8 or 16; 0 as the photo has


@dataclass
class Network:
    name: str = "vgg19"  # vgg19 or vgg16
    weights: str = "default"  # a source (default, normalised, torchvision, ...) or a file
    pooling: str = "average"  # average or max
    padding: str = "replicate"  # border of the first convolution: replicate or zeros
    convolution: str = "auto"  # auto, direct or winograd (on a CPU)
    precision: str = "auto"  # of the loop's convolutions: auto, float32, tensorfloat32, bfloat16
    rematerialize: bool = False  # compute features twice: half the memory, a fifth more time
    split: bool = False  # the rows of a large image over all devices: less memory on each


@dataclass
class Style:
    statistic: str = "gram"  # what is matched: gram, shifted_gram, correlation, ...
    layers: tuple[str, ...] = ()  # relu1_1 ... relu5_4, shallow to deep; none means all
    layer_weights: str = "fine"  # how layers are balanced: fine, normalized, equalized, gatys, ...
    layer_factors: tuple[float, ...] = ()  # one further factor per layer
    mode: str = "full"  # a region fills its image (full); or stays in_place, or goes by a layout
    layout: tuple[str, ...] = ()  # masks of the style image: NAME=FILE, or a colored map
    propagation: str = "soft"  # how masks go through the network: soft, inside or any
    debias: bool = False  # aim at what the filter would make of the photo; needs originals
    scale: float = 1.0  # size at which the style is seen, relative to the result's


@dataclass
class Start:
    image: str = "noise"  # noise, content (the photo), or an image file
    noise: str = "dataset"  # white noise with the dataset's color statistics, or uniform
    contrast: float = 0.1  # of the noise; 1 is the dataset's own, or all of [0, 1]


@dataclass
class Optimizer:
    name: str = "lbfgs"  # lbfgs or adam
    parameters: str = "pixels"  # what is optimized: pixels or waves
    memory: int = 20  # curvature pairs of L-BFGS
    at_once: int = 0  # steps in one dispatch to the device; 0: 1 on CPU, 10 elsewhere
    learning_rate: float = 0.05  # of Adam, with a cosine decay over each stage


@dataclass
class Verify:
    questions: tuple[str, ...] = ()  # known_style, which_filter, ...; none: all that can be asked
    style: str = "data/paintings/cafe_terrace.jpg"  # the picture whose style is known
    contents: str = "data/anime"  # folder of pictures that are given the known style
    counts: tuple[int, ...] = (1, 2, 4, 8, 16)  # how many of them are learned from
    filters: tuple[str, ...] = ()  # NAME=FOLDER for each filter, with the same scenes in all
    held_out: int = 4  # scenes that are not learned from, at a time
    singles: int = 2  # single pictures that are tried in place of the learned style
    steps: tuple[int, ...] = (60,)  # of each transfer, per stage
    seed: int = 0  # of what is drawn: the order of the contents, the scenes held out


@dataclass
class Config:
    dataset: Dataset = field(default_factory=Dataset)
    network: Network = field(default_factory=Network)
    style: Style = field(default_factory=Style)
    content: Content = field(default_factory=Content)
    start: Start = field(default_factory=Start)
    optimizer: Optimizer = field(default_factory=Optimizer)
    verify: Verify = field(default_factory=Verify)
    resolution: int = 256  # side of the style image in pixels; of a photo, the root of its area
    steps: tuple[int, ...] = (80, 80, 80)  # per stage; each stage has twice the resolution before
    alpha: tuple[float, ...] = (1e-3,)  # weight of the content term; one picture for each
    beta: float = 1.0  # weight of the style term
    tv: float = 0.3  # weight of total variation (mean squared differences)
    seeds: tuple[int, ...] = (0,)  # one style image each; the one with the least loss is kept
    snapshots: tuple[int, ...] = (15, 50, 150, 500, 1500)  # steps after which the image is kept
    checkpoint_every: int = 25  # steps
    tensorboard: bool = False  # also write TensorBoard events (needs tensorboardX)
