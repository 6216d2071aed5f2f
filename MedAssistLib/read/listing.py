"""Everything that lies below a path: what can be chosen and read, and what cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError, MedAssistError
from MedAssistLib.progress import Progress
from MedAssistLib.read import dicom
from MedAssistLib.read.arrays import ArrayFile, inspect_arrays, load_array
from MedAssistLib.read.images import (
    ImageFile,
    header_of,
    inspect,
    load_volume,
    spacing_findings,
)
from MedAssistLib.read.kinds import IMAGES, LOST, Kind, kind_of
from MedAssistLib.read.listed import Aside, Listed, Listing
from MedAssistLib.read.options import ReadOptions
from MedAssistLib.read.sources import Files, files_of

_NUMPY = (Kind.NUMPY, Kind.NUMPY_ZIP)
_SHARE_OF_KINDS = 0.2
_MOST_VOLUMES = 20_000


def list_scans(path: str | os.PathLike[str], progress: Progress | None = None) -> Listing:
    """List what can be read below a path, by the headers alone.

    Args:
        path: A folder, searched with its subfolders; a zip; a DICOMDIR; or one file.
        progress: Told how far it is.

    Raises:
        InputError: If there is no such path, or a zip is damaged or could do harm.
        CancelledError: If the user asked to stop.
    """
    with listing_of(path, progress or Progress()) as listing:
        return listing


@contextmanager
def listing_of(path: str | os.PathLike[str], progress: Progress) -> Iterator[Listing]:
    """Give the listing of a path; its scans can be loaded until the block ends."""
    if not str(path) or not _exists(Path(path)):
        raise InputError("does not exist", where=path, hint="Check the path")
    with files_of(Path(path), progress.part("Unpacking", 0.0, 0.5)) as files:
        yield _listing(files, progress.part("Looking at files", 0.5, 1.0))


def _listing(files: Files, progress: Progress) -> Listing:
    entries: list[Listed] = []
    asides: list[Aside] = []
    kinds = _kinds(files, asides, progress.part("Looking at files", 0.0, _SHARE_OF_KINDS))
    candidates = [path for path, kind in kinds.items() if kind in (Kind.DICOM, Kind.UNKNOWN)]
    found = dicom.find_volumes(candidates, progress.part("Reading headers", _SHARE_OF_KINDS, 1.0))
    entries += [_of_dicom(volume) for volume in found.volumes]
    asides += [Aside(path=other.path, reason=other.kind) for other in found.others]
    asides += [Aside(path=r.path, reason=r.reason, damaged=True, dicom=True) for r in found.refused]
    known = {path for entry in entries for path in entry.paths} | {a.path for a in asides}
    for path, kind in kinds.items():
        if kind in IMAGES:
            try:
                entries += _of_image(path, kind)
            except MedAssistError as error:
                where = Path(error.where) if error.where else path  # Of a pair, the wrong one.
                asides.append(Aside(path=where, reason=_reason(error), damaged=True))
        elif path not in known:
            asides.append(Aside(path=path, reason=_told(kind), unsure=kind in LOST))
    asides += [
        Aside(path=Path(name), reason="is missing", damaged=True, dicom=True)
        for name in files.missing
    ]
    asides += [
        Aside(path=path, reason=reason, damaged=True, unsure=True)
        for path, reason in files.unreadable
    ]
    asides += [Aside(path=path, reason="link to a folder, not followed") for path in files.links]
    return _shown(files, entries, asides)


def _kinds(files: Files, asides: list[Aside], progress: Progress) -> dict[Path, Kind]:
    kinds: dict[Path, Kind] = {}
    for number, path in enumerate(files.paths):
        if number % 100 == 0:
            progress.update(number / len(files.paths))
        if header_of(path) != path:
            continue  # The voxels of a pair; its header comes too.
        try:
            kinds[path] = kind_of(path)
        except InputError as error:
            asides.append(Aside(path=path, reason=_reason(error), damaged=True, unsure=True))
    return kinds


def _told(kind: Kind) -> str:
    """Say what a file is; a DICOM file that makes no volume only repeats one that does."""
    return "repeated DICOM image" if kind is Kind.DICOM else str(kind)


def _of_dicom(volume: dicom.Volume) -> Listed:
    def load(options: ReadOptions, progress: Progress) -> Scan:
        spacing_findings(volume.paths[0], options.spacing, stated=True)
        return dicom.load_volume(volume, progress, strict=options.strict)

    words = [word for word in (volume.description, volume.split) if word]
    return Listed(
        number=0,
        kind=Kind.DICOM,
        description=", ".join(words) or "series",
        modality=volume.modality,
        size=volume.size,
        spacing=volume.spacing,
        slices=volume.slices,
        findings=volume.findings,
        series_uid=volume.series_uid,
        paths=volume.paths,
        load=load,
    )


def _of_image(path: Path, kind: Kind) -> list[Listed]:
    if kind in _NUMPY:
        return [_of_array(array) for array in inspect_arrays(path, kind)]
    if kind is Kind.MINC1:
        hint = "Convert it: mincconvert -2 old.mnc new.mnc"
        raise InputError("is MINC 1, which is not read", where=path, hint=hint)
    file = inspect(path, kind)
    if file.volumes > _MOST_VOLUMES:
        what = f"announces {file.volumes} volumes, which is more than any scanner makes"
        raise InputError(what, where=path, hint="Check its header, or save fewer in one file")
    return [_of_volume(file, number) for number in range(file.volumes)]


def _of_volume(file: ImageFile, number: int) -> Listed:
    def load(options: ReadOptions, progress: Progress) -> Scan:
        progress.update(0.0)
        return load_volume(file, number, options.spacing)

    size = (file.size[0], file.size[1], file.size[2])
    spacing = (file.spacing[0], file.spacing[1], file.spacing[2])
    part = f", volume {number + 1} of {file.volumes}" if file.volumes > 1 else ""
    return Listed(
        number=0,
        kind="MINC 2" if file.kind is Kind.HDF5 else file.kind,
        description=file.path.name + part,
        modality=file.modality,
        size=size,
        spacing=spacing if file.stated.spacing else None,
        slices=size[2],
        findings=file.stated.findings,
        paths=(file.path,),
        load=load,
    )


def _of_array(array: ArrayFile) -> Listed:
    def load(options: ReadOptions, progress: Progress) -> Scan:
        progress.update(0.0)
        return load_array(array, options.spacing)

    part = f", array {array.member.removesuffix('.npy')}" if array.member else ""
    return Listed(
        number=0,
        kind=Kind.NUMPY,
        description=array.path.name + part,
        modality="",
        size=array.size,
        spacing=None,
        slices=array.size[2],
        findings=(),
        paths=(array.path,),
        load=load,
    )


def _shown(files: Files, entries: Sequence[Listed], asides: Sequence[Aside]) -> Listing:
    """Number what was found, and name files as the person knows them."""
    told = [replace(aside, path=files.shown(aside.path)) for aside in asides]
    return Listing(
        source=files.source,
        scans=tuple(
            replace(entry, number=number, paths=tuple(files.shown(p) for p in entry.paths))
            for number, entry in enumerate(entries, 1)
        ),
        others=tuple(aside for aside in told if not aside.damaged),
        refused=tuple(aside for aside in told if aside.damaged),
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # A name that is too long for the file system.
        return False


def _reason(error: MedAssistError) -> str:
    return f"{error.what}. {error.hint}" if error.hint else error.what
