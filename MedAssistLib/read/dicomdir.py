"""A DICOMDIR: the list of the files on a disc."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.uid import MediaStorageDirectoryStorage

from MedAssistLib.errors import InputError
from MedAssistLib.read.dicom.headers import PARSE_ERRORS
from MedAssistLib.read.kinds import is_ordinary


def is_dicomdir(path: Path) -> bool:
    """Tell whether a DICOM file is one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta = pydicom.filereader.read_file_meta_info(path)
            return bool(meta.get("MediaStorageSOPClassUID", "") == MediaStorageDirectoryStorage)
    except PARSE_ERRORS:
        return False


def files_named(source: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the files that a DICOMDIR names (PS3.3 F.3.2.2), in whatever case the disk has.

    Returns:
        Those that are there, and the names of those that are not.

    Raises:
        InputError: If it is damaged, or names nothing that is there.
    """
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
    return tuple(found), tuple(missing)


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
    return path if parts and is_ordinary(path) else None


def _in_other_case(folder: Path, name: str) -> Path:
    wanted = folder / name
    try:
        names = list(folder.iterdir())
    except OSError:
        return wanted
    return next((path for path in names if path.name.casefold() == name.casefold()), wanted)
