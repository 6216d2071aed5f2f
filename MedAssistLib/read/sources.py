"""From what a person gives, a folder, a zip, a DICOMDIR or a file, to the files to look at."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.uid import MediaStorageDirectoryStorage

from MedAssistLib.archive import Terms, unpack
from MedAssistLib.errors import InputError, MedAssistError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom.headers import PARSE_ERRORS
from MedAssistLib.read.images import header_of
from MedAssistLib.read.kinds import Kind, kind_of
from MedAssistLib.read.packed import MOST_RATIO, unpack_gzip

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
        unreadable: Folders that could not be looked into, links that lead nowhere; each with why.
        links: Links to folders, which are not followed.
    """

    source: Path
    folder: Path
    paths: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()
    links: tuple[Path, ...] = ()

    def shown(self, path: Path) -> Path:
        """Return a file's path as the person knows it, within the zip that it came from."""
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
        yield _tree(source, source, progress)
        return
    _require_ordinary(source)
    if header_of(source) != source:
        yield _one(source)
        return
    kind = kind_of(source)
    if kind not in (Kind.ZIP, Kind.GZIP, Kind.GZIP_DICOM):
        yield _directory(source) if kind is Kind.DICOM and _is_directory(source) else _one(source)
        return
    with tempfile.TemporaryDirectory(prefix="medassist-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            if kind is Kind.ZIP:
                unpack(source, folder, _TERMS, progress)
            else:
                _unpack(source, folder, progress)
            files = _tree(folder, source, progress)
            yield files
        except MedAssistError as error:
            raise _about(error, folder, source) from error


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
            if _is_ordinary(path):
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


def _is_directory(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta = pydicom.filereader.read_file_meta_info(path)
            return bool(meta.get("MediaStorageSOPClassUID", "") == MediaStorageDirectoryStorage)
    except PARSE_ERRORS:
        return False


def _directory(source: Path) -> Files:
    """Return the files that a DICOMDIR names (PS3.3 F.3.2.2), in whatever case the disk has."""
    found: dict[Path, None] = {}
    missing = []
    for parts in _named(source):
        path = _inside(source.parent, parts)
        if path is None:
            missing.append("/".join(parts))
        else:
            found[path] = None
    if not found:
        what = (
            f"names {len(missing)} files, none of which is there" if missing else "names no files"
        )
        hint = "Copy the whole disc, or give its folder"
        raise InputError(what, where=source, hint=hint)
    return Files(source=source, folder=source.parent, paths=tuple(found), missing=tuple(missing))


def _named(source: Path) -> list[tuple[str, ...]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            records = pydicom.dcmread(source).get("DirectoryRecordSequence", None) or []
            values = [record.get("ReferencedFileID", None) for record in records]
            listed = [[value] if isinstance(value, str) else list(value or ()) for value in values]
    except PARSE_ERRORS as error:
        hint = "Give the folder instead"
        raise InputError("is a damaged DICOMDIR", where=source, hint=hint) from error
    return [tuple(str(part) for part in parts) for parts in listed if parts]


def _inside(folder: Path, parts: tuple[str, ...]) -> Path | None:
    """Return the file of that name below a folder; discs and disks differ in upper case."""
    path = folder
    for part in parts:
        if part in ("", ".", "..") or "\0" in part or Path(part).name != part:
            return None
        path = path / part if (path / part).exists() else _in_other_case(path, part)
    return path if parts and _is_ordinary(path) else None


def _in_other_case(folder: Path, name: str) -> Path:
    wanted = folder / name
    try:
        names = list(folder.iterdir())
    except OSError:
        return wanted
    return next((path for path in names if path.name.casefold() == name.casefold()), wanted)


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
    if not _is_ordinary(path):
        hint = "Give a file or a folder"
        raise InputError("is not an ordinary file", where=path, hint=hint)


def _is_ordinary(path: Path) -> bool:
    """Tell whether reading the file will end: a pipe or a device may never."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts ``IM9`` before ``IM10``."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
