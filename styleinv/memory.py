"""The memory of a run: how much it needs, how much there is, and keeping what a step frees."""

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from styleinv.strips import FEATURES
from styleinv.vgg import layer_channels, layer_stride

# Parameters of glibc's mallopt, from its malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_GROUP = Path("/sys/fs/cgroup")


def keep_freed() -> None:
    """Tells the C library to give nothing back to the system; without effect where it is not glibc.

    XLA asks for the memory of a step anew each time. What was given back in between comes again as
    zeroed pages, tens of thousands of page faults a step: a tenth of its time at 256 px. Not for
    those who want little memory: the pieces that are kept need not fit the next time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    # Two heaps. Of a single one, threads that compile wait for the lock, a quarter of their time,
    # and what they leave lies between the large pieces of steps. With more, each keeps what it had.
    settings = {_ARENA_MAX: 2, _MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 10**8}
    for name, value in settings.items():
        mallopt(name, value)


def needed(
    layers: Sequence[str],
    pixels: int,
    pairs: int,
    *,
    rematerialize: bool = False,
    strips: bool = True,
    devices: int = 1,
    scale: float = 1.0,
) -> float:
    """Bytes that optimizing an image takes at most, within a third (docs/performance.md).

    Args:
        layers: all that the network computes.
        pixels: of the image.
        pairs: curvature pairs of the solver.
        strips: whether rematerialized blocks may be computed strip by strip, see `blocks`.
        devices: that have their shares of the image, see `rows`; the bytes are those of one.
        scale: of the pictures of the style over the image.
    """
    features = sum(4 * layer_channels(layer) / layer_stride(layer) ** 2 for layer in layers)
    # As XLA's own analysis counts them: features that are measured; and with their gradients.
    seen = max(1, scale) ** 2 * pixels
    measuring = min(1.1 * features * seen, 0.13 * features * seen + 4.5 * 4 * FEATURES)
    work = 2.2 * features * pixels
    if rematerialize:
        work = 1.3 * features * pixels
        if strips:
            work = min(work, 0.2 * features * pixels + 7.5 * 4 * FEATURES)
    if devices > 1:  # each has some rows of its neighbors, too
        work *= 1.3 / devices
    state = 12 * (2 * pairs + 8) * pixels / devices
    # The state is there once more while it is saved; see `keep_freed`, which then keeps that.
    # Besides, the network, Python and its libraries.
    work = max(work, state) if rematerialize else work + state
    return max(measuring, work) + state + 1.5e9


def free() -> float | None:
    """Bytes that the program may take on the default device; None if that is not known."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return stats["bytes_limit"] - stats["bytes_in_use"] if "bytes_limit" in stats else None
    found = [_meminfo(), _control_group()]
    return min((each for each in found if each is not None), default=None)


def _meminfo() -> float | None:
    path = Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((1024.0 * int(x.split()[1]) for x in lines if x.startswith("MemAvailable")), None)


def _control_group() -> float | None:
    """What a container is allowed and does not use, but for files that it has read."""
    limit, used, parts = (_GROUP / f"memory.{name}" for name in ("max", "current", "stat"))
    if not limit.exists() or limit.read_text().strip() == "max":
        return None
    counts = dict(line.split() for line in parts.read_text().splitlines())
    files = sum(float(counts[name]) for name in ("active_file", "inactive_file"))
    return float(limit.read_text()) - float(used.read_text()) + files
