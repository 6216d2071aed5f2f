"""From what a person gives, a folder, a zip, a DICOMDIR or a file, to the files to look at."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from MedAssistLib.archive import Terms, unpack
from MedAssistLib.errors import InputError, MedAssistError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicomdir import files_named, is_dicomdir
from MedAssistLib.read.images import header_of
from MedAssistLib.read.kinds import Kind, is_ordinary, kind_of
from MedAssistLib.read.packed import MOST_RATIO, packed_dicom, unpack_each, unpack_gzip

_CHECK_EVERY = 500
_IGNORED = re.compile(r"^(\.DS_Store|\._.*|Thumbs\.db|desktop\.ini)$", re.IGNORECASE)
_LEFT_OUT = "__MACOSX"


def _left_out(parts: tuple[str, ...]) -> bool:
    """Tell whether a file is one that file managers leave behind."""
    return _LEFT_OUT in parts or _IGNORED.match(parts[-1]) is not None


_TERMS = Terms(
    error=InputError,
    unsafe="unpack it with a program that you trust",
    packed="Unpack it yourself and give the folder",
    most_files=200_000,
    most_ratio=MOST_RATIO,
    left_out=_left_out,
    rename=True,
    lasting=False,
    space="Free some space, or unpack it yourself on another disk and give the folder",
)


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files to look at.

    Attributes:
        source: What the person gave.
        folder: Where the files are: ``source`` or its folder, or where it was unpacked.
        paths: Ordinary files, in the order of their names, numbers by value.
        missing: Files that a DICOMDIR names and that are not there.
        unreadable: Folders that could not be looked into, links that lead nowhere, packed DICOM
            files that cannot be unpacked; each with why.
        links: Links to folders, which are not followed.
        unpacked: Below it, packed DICOM files lie unpacked, each in its place below ``folder``.
    """

    source: Path
    folder: Path
    paths: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()
    links: tuple[Path, ...] = ()
    unpacked: Path | None = None

    def shown(self, path: Path) -> Path:
        """Return a file's path as the person knows it, within the zip that it came from."""
        if self.unpacked and self.unpacked in path.parents:
            path = self.folder / path.relative_to(self.unpacked)
        if path == self.folder or self.folder not in path.parents:
            return self.source if path == self.folder else path
        if self.folder in (self.source, self.source.parent):
            return path
        return self.source / path.relative_to(self.folder)


@contextmanager
def files_of(source: Path, progress: Progress) -> Iterator[Files]:
    """Give the files below a path; what has to be unpacked for it is removed at the end.

    Args:
        source: A folder, searched with its subfolders but not through links; a zip; a DICOMDIR,
            whose files are given; or one file.
        progress: Told how far unpacking is.

    Raises:
        InputError: If there is nothing, or a zip is damaged or could do harm. Errors about
            unpacked files name them as parts of ``source``.
        ResourceError: If there is no space to unpack.
    """
    if source.is_dir():
        with _with_packed(_tree(source, source, progress), progress) as files:
            yield files
        return
    _require_ordinary(source)
    if header_of(source) != source:
        yield _one(source)
        return
    kind = kind_of(source)
    if kind not in (Kind.ZIP, Kind.GZIP, Kind.GZIP_DICOM):
        yield _directory(source) if kind is Kind.DICOM and is_dicomdir(source) else _one(source)
        return
    with tempfile.TemporaryDirectory(prefix="medassist-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            if kind is Kind.ZIP:
                unpack(source, folder, _TERMS, progress)
            else:
                _unpack(source, folder, progress)
            with _with_packed(_tree(folder, source, progress), progress) as files:
                yield files
        except MedAssistError as error:
            raise _about(error, folder, source) from error


@contextmanager
def _with_packed(files: Files, progress: Progress) -> Iterator[Files]:
    """Give files with the packed DICOM files among them unpacked, until the block ends."""
    packed = packed_dicom(files.paths, progress)
    if not packed:
        yield files
        return
    with tempfile.TemporaryDirectory(prefix="medassist-", ignore_cleanup_errors=True) as name:
        target = Path(name)
        try:
            places, refused = unpack_each(packed, files.folder, target, progress)
            bad = {path for path, _ in refused}
            yield replace(
                files,
                paths=tuple(places.get(path, path) for path in files.paths if path not in bad),
                unreadable=(*files.unreadable, *refused),
                unpacked=target,
            )
        except MedAssistError as error:
            raise _about(error, target, files.folder) from error


def _tree(folder: Path, source: Path, progress: Progress) -> Files:
    found: list[Path] = []
    unreadable: list[tuple[Path, str]] = []
    links: list[Path] = []

    def refused(error: OSError) -> None:
        unreadable.append((Path(error.filename), "cannot be looked into"))

    for place, folders, names in os.walk(folder, onerror=refused):
        progress.check()
        links += [path for name in folders if (path := Path(place, name)).is_symlink()]
        folders[:] = [name for name in folders if name != _LEFT_OUT]
        for number, name in enumerate(names):
            if number % _CHECK_EVERY == 0:
                progress.check()
            path = Path(place, name)
            if _IGNORED.match(name):
                continue
            if is_ordinary(path):
                found.append(path)
            elif path.is_symlink() and not path.exists():
                unreadable.append((path, "is a link that leads nowhere"))
    found.sort(key=lambda path: _natural(path.relative_to(folder)))
    return Files(
        source=source,
        folder=folder,
        paths=tuple(found),
        unreadable=tuple(unreadable),
        links=tuple(links),
    )


def _one(source: Path) -> Files:
    header = header_of(source)
    return Files(source=source, folder=source.parent, paths=(header,))


def _directory(source: Path) -> Files:
    found, missing = files_named(source)
    return Files(source=source, folder=source.parent, paths=found, missing=missing)


def _unpack(source: Path, folder: Path, progress: Progress) -> None:
    name = source.stem if source.suffix.lower() == ".gz" else source.name
    unpack_gzip(source, folder / (name or "file"), progress)


def _about(error: MedAssistError, folder: Path, source: Path) -> MedAssistError:
    """Let an error name a part of the zip instead of a temporary file."""
    error.where = error.where.replace(str(folder), str(source))
    error.what = error.what.replace(str(folder), str(source))
    error.hint = error.hint.replace(str(folder), str(source))
    return error


def _require_ordinary(path: Path) -> None:
    if not is_ordinary(path):
        hint = "Give a file or a folder"
        raise InputError("is not an ordinary file", where=path, hint=hint)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts ``IM9`` before ``IM10``."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
