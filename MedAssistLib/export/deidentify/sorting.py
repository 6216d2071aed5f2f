"""Which files of an input are cleaned, and which are left out from the start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.uid import MediaStorageDirectoryStorage

from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify.meta import meta_data_file
from MedAssistLib.export.deidentify.nrrd import nrrd_data_file
from MedAssistLib.export.deidentify.tally import LeftOut
from MedAssistLib.read.dicom.headers import PARSE_ERRORS, is_dicom
from MedAssistLib.read.images import header_of
from MedAssistLib.read.kinds import Kind, kind_of
from MedAssistLib.read.sources import Files

CLEANED = (Kind.DICOM, Kind.NIFTI, Kind.NRRD, Kind.META)
_DATA_FILES = {Kind.NRRD: nrrd_data_file, Kind.META: meta_data_file}
_OTHER_IMAGES = (Kind.ANALYZE, Kind.MINC1, Kind.HDF5, Kind.NUMPY, Kind.NUMPY_ZIP)


@dataclass(frozen=True)
class Item:
    """A file to clean.

    Attributes:
        path: Where it is; of a pair, that with the header.
        kind: One of :data:`CLEANED`.
        shown: What the person knows it as.
        relative: Its path below what the person gave.
    """

    path: Path
    kind: Kind
    shown: Path
    relative: Path


@dataclass
class Sorted:
    """What is to be done with the files of the inputs.

    Attributes:
        items: Those that can be cleaned.
        refused: Those that hold a scan and cannot, each with why.
        left_out: All others.
    """

    items: list[Item] = field(default_factory=list)
    refused: list[tuple[Path, InputError]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def sort_files(sources: Iterable[Files]) -> Sorted:
    """Tell the files that can be cleaned from the others.

    Args:
        sources: The files below each input.
    """
    found = Sorted()
    for files in sources:
        voxels: set[Path] = set()
        for path in files.paths:
            if header_of(path) != path:
                continue  # The voxels of a pair; its header comes too.
            try:
                voxels |= _sort(files, path, found)
            except InputError as error:
                found.refused.append((files.shown(path), error))
        shown = {files.shown(path) for path in voxels}
        found.left_out = [one for one in found.left_out if one.path not in shown]
        found.left_out += [LeftOut(files.shown(path), why) for path, why in files.unreadable]
        found.left_out += [LeftOut(files.shown(p), "link, not followed") for p in files.links]
    return found


def _sort(files: Files, path: Path, found: Sorted) -> set[Path]:
    """Put one file where it belongs; return its data file, if it has one of its own.

    Raises:
        InputError: If it holds a scan and cannot be cleaned.
    """
    shown, kind = files.shown(path), kind_of(path)
    if kind is Kind.DICOM or (kind is Kind.UNKNOWN and is_dicom(path)):
        if _is_directory(path):
            why = "directory of a disc, of no use beside renamed files"
            found.left_out.append(LeftOut(shown, why))
            return set()
        kind = Kind.DICOM
    if kind in _OTHER_IMAGES:
        hint = "Make a NIfTI of it first: medassist read FILE -o NEW.nii.gz"
        raise InputError(f"is {kind}, which cannot be cleaned", where=shown, hint=hint)
    if kind not in CLEANED:
        found.left_out.append(LeftOut(shown, str(kind)))
        return set()
    data = _DATA_FILES[kind](path) if kind in _DATA_FILES else None
    found.items.append(Item(path, kind, shown, path.relative_to(files.folder)))
    return {data} if data else set()


def _is_directory(path: Path) -> bool:
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
    except PARSE_ERRORS:  # Whoever reads it whole will say what is wrong.
        return False
    return bool(meta.get("MediaStorageSOPClassUID", "") == MediaStorageDirectoryStorage)
