"""Unpacking a zip that a stranger may have made."""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from MedAssistLib.errors import ModelError, ResourceError, cannot_write
from MedAssistLib.progress import Progress

_MOST_FILES = 10_000
_MOST_BYTES = 100 * 10**9
# Weights hardly shrink and text shrinks tenfold; below this size even a bomb hurts nobody.
_MOST_RATIO = 100
_RATIO_MATTERS_FROM = 200 * 10**6
_CHUNK = 1 << 20
# Names that Windows gives to devices, and characters that it gives a meaning to.
_BAD_NAME = re.compile(
    r'^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[\x00-\x1f<>:"|?*]|[. ]$', re.IGNORECASE
)
# What file managers and trainings leave behind; of the latter, results of patients.
_CLUTTER = (
    *("*/__MACOSX/*", "*/.DS_Store", "*/._*"),
    *("*/fold_*/validation/*", "*/crossval_results_*/*"),
    *("*/fold_*/training_log_*.txt", "*/fold_*/progress.png", "*/fold_*/debug.json"),
    "*/fold_*/checkpoint_latest.pth",
)
_KEPT = "summary.json"  # The accuracy that a training reached.


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack a zip into a folder, leaving out what no model needs.

    Everything is checked before the first byte is written. What goes wrong later leaves files in
    ``folder``: the caller removes it.

    Args:
        archive: The zip.
        folder: Where to; made if it is not there.
        progress: Told how much is written.

    Raises:
        ModelError: If it is damaged, or holds what could harm: names that lead out of the folder,
            links, far more than its size lets expect.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = _checked(zipped, archive)
            total = sum(info.file_size for info, _ in members)
            require_space(folder, total)
            start = 0
            for info, parts in members:
                stop = start + info.file_size
                part = progress.part("Unpacking", start / (total or 1), stop / (total or 1))
                with zipped.open(info) as source:
                    pour(source, folder.joinpath(*parts), info.file_size, part)
                start = stop
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        hint = "Copy or download it again"
        raise ModelError(f"is not a whole zip file ({error})", where=archive, hint=hint) from error


def pour(source: IO[bytes], target: Path, size: int, progress: Progress) -> None:
    """Write a stream to a new file and push it to the disk.

    Args:
        source: What to read.
        target: The file; its folder is made.
        size: Bytes that are expected.
        progress: Told after each mebibyte.

    Raises:
        ResourceError: If it cannot be written.
        CancelledError: If the user asked to stop.
    """
    count = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            while chunk := source.read(_CHUNK):
                stream.write(chunk)
                count += len(chunk)
                progress.update(count / (size or 1))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise cannot_write(target, error) from error


def clutter(parts: tuple[str, ...]) -> bool:
    """Tell whether a file is one that file managers or trainings leave beside a model."""
    path = "/" + "/".join(parts)
    return parts[-1] != _KEPT and any(fnmatchcase(path, pattern) for pattern in _CLUTTER)


def require_space(folder: Path, size: int) -> None:
    """Refuse what does not fit on the disk of ``folder``, which need not be there yet.

    Raises:
        ResourceError: If fewer than ``size`` bytes are free.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    if free < size:
        what = f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
        hint = "Free some space, or set MEDASSIST_MODELS to a folder on another disk"
        raise ResourceError(what, where=folder, hint=hint)


def _checked(
    zipped: zipfile.ZipFile, archive: Path
) -> list[tuple[zipfile.ZipInfo, tuple[str, ...]]]:
    """Return the files worth unpacking, by their safe names, or refuse the whole zip."""
    infos = zipped.infolist()
    total = sum(info.file_size for info in infos)
    packed = archive.stat().st_size
    if len(infos) > _MOST_FILES:
        raise _unsafe(archive, f"holds {len(infos)} files")
    if total > _MOST_BYTES or (total > _RATIO_MATTERS_FROM and total > _MOST_RATIO * packed):
        raise _unsafe(archive, f"would grow from {packed / 1e6:.1f} MB to {total / 1e9:.1f} GB")
    files: dict[str, tuple[zipfile.ZipInfo, tuple[str, ...]]] = {}
    for info in infos:
        parts = _safe_parts(info, archive)
        if info.is_dir() or clutter(parts):
            continue
        # Windows and macOS take names that differ in case only for the same.
        if files.setdefault("/".join(parts).casefold(), (info, parts))[0] is not info:
            raise _unsafe(archive, f'holds "{"/".join(parts)}" twice')
    return list(files.values())


def _safe_parts(info: zipfile.ZipInfo, archive: Path) -> tuple[str, ...]:
    """Return the parts of a member's name; some old Windows programs write backslashes."""
    name = info.orig_filename.replace("\\", "/")
    parts = tuple(part for part in name.rstrip("/").split("/") if part != ".")
    if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
        raise _unsafe(archive, f'holds "{name}", which leads out of its folder')
    if not parts or any(not part or _BAD_NAME.search(part) for part in parts):
        raise _unsafe(archive, f"holds a file with the unusable name {name!r}")
    _require_plain(info, name, archive)
    return parts


def _require_plain(info: zipfile.ZipInfo, name: str, archive: Path) -> None:
    """Refuse a member that is no ordinary file, or that needs more than plain unpacking."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(archive, f'holds the link or device "{name}"')
    if info.flag_bits & 1:
        hint = "Unpack it yourself and add the folder"
        raise ModelError("is locked with a password", where=archive, hint=hint)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        hint = "Unpack it yourself and add the folder"
        raise ModelError("is packed in a way that few programs know", where=archive, hint=hint)


def _unsafe(archive: Path, what: str) -> ModelError:
    hint = "Nothing was unpacked; get the model from its publisher"
    return ModelError(f"is not a safe zip: it {what}", where=archive, hint=hint)
