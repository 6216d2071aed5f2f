"""Taking what a user has, a folder, a zip or one file, into a folder of the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from MedAssistLib.errors import ModelError
from MedAssistLib.models.archive import clutter, pour, require_space, unpack
from MedAssistLib.progress import Progress


def take(source: Path, folder: Path, progress: Progress, *, name: str = "") -> None:
    """Copy or unpack a source into a folder.

    Args:
        source: A folder, whose content is copied under its own name; a ``.zip``, which is
            unpacked; or any other file.
        folder: Where to; made if it is not there.
        progress: Told how much is written.
        name: What to call the source if its own name does not say what it is.

    Raises:
        ModelError: If it is missing, not safe, or damaged.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    name = name or source.resolve().name
    if source.is_dir():
        _copy(source, folder / name, progress)
    elif not source.is_file():
        hint = "Give a model's folder, its zip or its file"
        raise ModelError("is not there", where=source, hint=hint)
    elif name.lower().endswith(".zip"):
        unpack(source, folder, progress)
    else:
        _copy_file(source, folder / name, progress)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    files = list(_files(source, source))
    total = sum(path.stat().st_size for path in files)
    require_space(target, total)
    done = 0
    for path in files:
        size = path.stat().st_size
        part = progress.part("Copying", done / (total or 1), (done + size) / (total or 1))
        _copy_file(path, target / path.relative_to(source), part)
        done += size


def _copy_file(source: Path, target: Path, progress: Progress) -> None:
    size = source.stat().st_size
    require_space(target.parent, size)
    try:
        stream = source.open("rb")
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=source) from error
    with stream:
        pour(stream, target, size, progress)


def _files(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the files below a folder; a link could lead anywhere, so it is refused."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda found: found.name):
            path = Path(entry.path)
            if clutter(path.relative_to(root).parts):
                continue
            if entry.is_symlink():
                hint = "Copy the folder with the files that its links mean (cp -rL) and add that"
                raise ModelError("is a link", where=path, hint=hint)
            if entry.is_dir():
                yield from _files(path, root)
            elif entry.is_file():
                yield path
