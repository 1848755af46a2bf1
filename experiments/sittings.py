"""What must be the same in all sittings of a run, besides its config: the user's files.

Those that its style was measured on are in its style file, see `targets.read_files`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleinv.config import Config
from styleinv.errors import InputError

if TYPE_CHECKING:
    from experiments.contents import Content
    from experiments.targets import Source


def listed(
    config: Config, contents: "Sequence[Content]", sources: "Sequence[Source]"
) -> dict[str, Any]:
    """What run.json says of photographs, in their order, and of masks and the start, {} each."""
    from styleinv import style_file

    photos = ({"name": each.name, "sha256": each.checked.digest} for each in contents)
    others = (
        {"name": str(path), "sha256": _digest(path)} for path in _others(config, contents, sources)
    )
    return {
        "contents": list(style_file.listed(photos)),
        "others": list(style_file.listed(others)),
    }


def refuse_others(folder: Path, now: dict[str, Any]) -> None:
    """Raises an InputError if a folder holds a run of other files than `listed` says of now."""
    from styleinv.journal import read_json

    path = folder / "run.json"
    before = read_json(path) if path.is_file() else {}
    if before.get("contents", now["contents"]) != now["contents"]:
        raise _other_photos(path)
    if before.get("others", now["others"]) != now["others"]:
        changed = [one["name"] for one in now["others"] if one not in before["others"]]
        raise InputError(
            f"{changed[0] if changed else 'a mask'} is not what it was when {path} was begun; "
            "put it back, or name a new --workdir"
        )


def refuse_other_photos(config: Config, folder: Path) -> None:
    """Raises an InputError if a finished run's photographs are not those that there are now."""
    from styleinv import dataset
    from styleinv.journal import read_json

    path = folder / "run.json"
    done = read_json(path).get("contents")
    if not done or "count" in done[0]:
        return
    items = [item for item in dataset.find(config.content.path) for _ in config.alpha]
    if len(items) != len(done):
        raise InputError(
            f"{folder} holds {len(done)} pictures, finished, and there are photographs for "
            f"{len(items)} now; name a new --workdir"
        )
    digests = {path: _digest(path) for path in {item.path for item in items}}  # each once
    if [digests[item.path] for item in items] != [one["sha256"] for one in done]:
        raise _other_photos(path)


def _other_photos(path: Path) -> InputError:
    return InputError(f"{path} is of other photographs than there are now; name a new --workdir")


def _digest(path: Path) -> str:
    from styleinv import images

    return hashlib.sha256(images.read_bytes(path)).hexdigest()


def _others(
    config: Config, contents: "Sequence[Content]", sources: "Sequence[Source]"
) -> list[Path]:
    """Masks of all kinds, and the picture to start from; each once."""
    from styleinv import masks

    items = [each.item for each in contents] + [item for each in sources for item in each.items]
    files = [file.path for item in items for file in item.masks.values()]
    if config.style.layout:
        files += [file.path for file in masks.parse(config.style.layout).values()]
    if config.start.image not in ("noise", "content"):
        files.append(Path(config.start.image))
    return list(dict.fromkeys(files))
