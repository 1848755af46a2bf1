"""Reading back what a run wrote: JSON files, and metrics.jsonl with one object a line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styleinv import images
from styleinv.errors import InputError


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: naming the file, if there is none or it holds something else.
    """
    try:
        value = json.loads(images.read_bytes(path))
    except RecursionError:
        raise InputError(f"{path} is not valid JSON: its lists go too deep") from None
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object")
    return value


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without a last one that a crash cut off; [] if there is no file.

    Raises:
        InputError: naming the line, if another one is broken.
    """
    lines = images.read_bytes(path).splitlines() if path.exists() else []
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append(row)
        elif number < len(lines):
            raise InputError(f"{path} is not valid JSON in line {number}")
    return rows


def refuse_changed(where: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises an InputError that names the first field in which two configs differ.

    Args:
        where: what has the first of them, for the message.
    """
    old, new = flatten(before), flatten(json.loads(json.dumps(now)))
    for key in old | new:
        if old.get(key) != new.get(key):
            raise InputError(
                f"{where} with {key}={old.get(key)}, not {new.get(key)}; name a new folder"
            )


def flatten(config: Mapping[str, Any], prefix: str = "config") -> dict[str, str]:
    """{dotted name: value as text} of every field, named as on the command line."""
    flat = {}
    for key, value in config.items():
        name = f"{prefix}.{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, name)
        else:
            flat[name] = value if isinstance(value, str) else json.dumps(value)
    return flat
