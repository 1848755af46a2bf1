"""What a run was made with."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pillow")


def environment() -> dict[str, Any]:
    """Versions, device and git revision, for run.json."""
    versions = {name: metadata.version(name) for name in _PACKAGES}
    chosen: Any = jax.config.jax_default_device  # type: ignore[attr-defined]
    device = chosen or jax.devices()[0]
    which = f", number {device.id}" if chosen else ""
    return {
        "versions": {"python": platform.python_version()} | versions,
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform}){which}",
        "git": _revision(),
    }


def _revision() -> str | None:
    """Of the program's own repository, where there is one, and git."""
    here = Path(__file__)

    def ask(*words: str) -> str:
        command = ["git", *words]
        done = subprocess.run(command, cwd=here.parent, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    try:
        ours = ask("ls-files", here.name)  # or the program is installed inside of another's
        return (ask("rev-parse", "--short", "HEAD") or None) if ours else None
    except OSError:
        return None
