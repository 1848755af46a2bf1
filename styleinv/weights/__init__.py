"""The weights of a VGG: where they come from, safe readers, conversion, digests.

load("default")                -> Weights     # fetched once, then from the cache
load("path/to/vgg19.pth")      -> Weights
SOURCES                        -> what can be had by name, as data
"""

from styleinv.weights.convolutions import Weights
from styleinv.weights.loading import load
from styleinv.weights.sources import SOURCES

__all__ = ["SOURCES", "Weights", "load"]
