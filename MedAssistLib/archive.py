"""Unpacking a zip that a stranger may have made."""

from __future__ import annotations

import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from MedAssistLib.errors import MedAssistError, ResourceError, cannot_write
from MedAssistLib.progress import Progress

_MOST_BYTES = 100 * 10**9
# Below this size even a bomb hurts nobody.
_RATIO_MATTERS_FROM = 200 * 10**6
_CHUNK = 1 << 20
# Names that Windows gives to devices, and characters that it gives a meaning to.
_BAD_NAME = re.compile(
    r'^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[\x00-\x1f<>:"|?*]|[. ]$', re.IGNORECASE
)
_BAD_CHARACTER = re.compile(r'[\x00-\x1f<>:"|?*]')

DAMAGED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, OSError, ValueError, OverflowError, NotImplementedError, RuntimeError),
)
"""What Python raises on damaged zips; writing has errors of its own before."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a zip may hold, and how to say that it may not.

    Attributes:
        error: What is raised.
        unsafe: What to do about a zip that could harm.
        packed: What to do about one that only other programs can unpack.
        most_files: More are refused.
        most_ratio: The most that its content may shrink; a bomb shrinks a thousandfold.
        left_out: Tells of the parts of a file's name whether it stays packed.
        space: What to do when the disk is too small.
        rename: Whether names that some system cannot have are made usable instead of refused.
        lasting: Whether each file is pushed to the disk, which takes a while.
    """

    error: type[MedAssistError]
    unsafe: str
    packed: str
    most_files: int
    most_ratio: float
    left_out: Callable[[tuple[str, ...]], bool]
    space: str
    rename: bool = False
    lasting: bool = True


def unpack(archive: Path, folder: Path, terms: Terms, progress: Progress) -> None:
    """Unpack a zip into a folder.

    Everything is checked before the first byte is written. What goes wrong later leaves files in
    ``folder``: the caller removes it.

    Args:
        archive: The zip.
        folder: Where to; made if it is not there.
        terms: What it may hold.
        progress: Told how much is written.

    Raises:
        MedAssistError: Of the kind that ``terms`` say, if it is damaged, or holds what could harm:
            names that lead out of the folder, links, far more than its size lets expect.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = _checked(zipped, archive, terms)
            total = sum(info.file_size for info, _ in members)
            require_space(folder, total, terms.space)
            start = 0
            for info, parts in members:
                stop = start + info.file_size
                part = progress.part("Unpacking", start / (total or 1), stop / (total or 1))
                with zipped.open(info) as source:
                    pour(source, folder.joinpath(*parts), info.file_size, part, terms.lasting)
                start = stop
    except DAMAGED_ZIP as error:
        what = f"is not a whole zip file ({error})"
        raise terms.error(what, where=archive, hint="Copy or download it again") from error


def pour(
    source: IO[bytes], target: Path, size: int, progress: Progress, lasting: bool = True
) -> None:
    """Write a stream to a new file.

    Args:
        source: What to read.
        target: The file; its folder is made.
        size: Bytes that are expected.
        progress: Told after each mebibyte.
        lasting: Whether it is pushed to the disk.

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
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        raise cannot_write(target, error) from error


def require_space(folder: Path, size: int, hint: str) -> None:
    """Refuse what does not fit on the disk of ``folder``, which need not be there yet.

    Raises:
        ResourceError: If fewer than ``size`` bytes are free; it says ``hint``.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    if free < size:
        what = f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
        raise ResourceError(what, where=folder, hint=hint)


def _checked(
    zipped: zipfile.ZipFile, archive: Path, terms: Terms
) -> list[tuple[zipfile.ZipInfo, tuple[str, ...]]]:
    """Return the files worth unpacking, by their safe names, or refuse the whole zip."""
    infos = zipped.infolist()
    total = sum(info.file_size for info in infos)
    packed = archive.stat().st_size
    if len(infos) > terms.most_files:
        raise _unsafe(archive, f"holds {len(infos)} files", terms)
    if total > _MOST_BYTES or (total > _RATIO_MATTERS_FROM and total > terms.most_ratio * packed):
        grown = f"would grow from {packed / 1e6:.1f} MB to {total / 1e9:.1f} GB"
        raise _unsafe(archive, grown, terms)
    files: dict[str, tuple[zipfile.ZipInfo, tuple[str, ...]]] = {}
    renamed = Names()
    for info in infos:
        parts = _safe_parts(info, archive, terms)
        if info.orig_filename.endswith(("/", "\\")) or terms.left_out(parts):
            continue
        if terms.rename:
            parts = renamed.usable(parts)
        # Windows and macOS take names that differ in case only for the same.
        if files.setdefault("/".join(parts).casefold(), (info, parts))[0] is not info:
            raise _unsafe(archive, f'holds "{"/".join(parts)}" twice', terms)
    return list(files.values())


class Names:
    """Usable names for those in a zip, one for each, the same for the same."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, ...], str] = {}
        self._taken: set[tuple[str, ...]] = set()

    def usable(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return names without what a system forbids, and different in more than case."""
        made: tuple[str, ...] = ()
        for depth, part in enumerate(parts, 1):
            original = parts[:depth]
            if original not in self._given:
                self._given[original] = self._free(made, part)
            made = (*made, self._given[original])
        return made

    def _free(self, folder: tuple[str, ...], part: str) -> str:
        plain = _BAD_CHARACTER.sub("_", part).rstrip(". ")
        plain = f"_{plain}" if not plain or _BAD_NAME.search(plain) else plain
        key = tuple(name.casefold() for name in folder)
        name, number = plain, 1
        while (*key, name.casefold()) in self._taken:
            number += 1
            name = f"{number}_{plain}"
        self._taken.add((*key, name.casefold()))
        return name


def _safe_parts(info: zipfile.ZipInfo, archive: Path, terms: Terms) -> tuple[str, ...]:
    """Return the parts of a member's name; some old Windows programs write backslashes."""
    name = info.orig_filename.replace("\\", "/")
    without = (".", "") if terms.rename else (".",)
    parts = tuple(part for part in name.rstrip("/").split("/") if part not in without)
    if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
        raise _unsafe(archive, f'holds "{name}", which leads out of its folder', terms)
    bad = any(not part or _BAD_NAME.search(part) for part in parts)
    if not parts or (bad and not terms.rename):
        raise _unsafe(archive, f"holds a file with the unusable name {name!r}", terms)
    _require_plain(info, name, archive, terms)
    return parts


def _require_plain(info: zipfile.ZipInfo, name: str, archive: Path, terms: Terms) -> None:
    """Refuse a member that is no ordinary file, or that needs more than plain unpacking."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(archive, f'holds the link or device "{name}"', terms)
    if info.flag_bits & 1:
        raise terms.error("is locked with a password", where=archive, hint=terms.packed)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        what = "is packed in a way that few programs know"
        raise terms.error(what, where=archive, hint=terms.packed)


def _unsafe(archive: Path, what: str, terms: Terms) -> MedAssistError:
    hint = f"Nothing was unpacked; {terms.unsafe}"
    return terms.error(f"is not a safe zip: it {what}", where=archive, hint=hint)
