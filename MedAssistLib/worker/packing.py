"""Writing what of a case leaves together: all of its files, or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.case import Case, Segmentation
from MedAssistLib.errors import InputError, ResourceError, cannot_write
from MedAssistLib.export import formats, parcel
from MedAssistLib.export.parcel import Parcel
from MedAssistLib.files import make_folder
from MedAssistLib.progress import Progress
from MedAssistLib.worker.nameless import Cleaner

if TYPE_CHECKING:
    from MedAssistLib.export.dicom.sources import Source
    from MedAssistLib.export.provenance import Provenance
    from MedAssistLib.export.report_ranges import ReferenceRange

_STAGES = {
    parcel.SEGMENTATION: "Writing the segmentation",
    parcel.SURFACES: "Writing surfaces",
    parcel.MEASUREMENTS: "Writing measurements",
    parcel.FINDINGS: "Writing findings",
    parcel.DICOM_REPORT: "Writing the DICOM report",
    parcel.REPORT: "Writing the report",
    parcel.SCAN: "Writing the scan",
}
_NAMED, _REPLACED = "named", "replaced"


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """What is at hand to be written.

    Attributes:
        case: The scan, what was drawn on it, its measurements and findings.
        layers: What was drawn as it was drawn, if one label image on the scan's grid does not hold
            all of it; see :func:`MedAssistLib.export.seg_nrrd.write_layers`.
        source: The DICOM series of the scan; ``None`` if nothing of DICOM leaves.
        example: A file of that series, which tells who was scanned; ``None`` if none is at hand.
        ranges: What structures usually measure, for reports.
        provenance: How the case was made, for reports and records.
    """

    case: Case
    layers: tuple[Segmentation, ...] = ()
    source: Source | None = None
    example: Path | None = None
    ranges: tuple[ReferenceRange, ...] = ()
    provenance: Provenance | None = None


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was written.

    Attributes:
        files: The files, and the folder of a series.
        warnings: What a person must know before giving them away.
    """

    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def pack(
    contents: Contents, wanted: Parcel, folder: Path, staging: str, progress: Progress
) -> Packed:
    """Write what leaves together; files that are there by the same names are replaced.

    Args:
        contents: What there is.
        wanted: What leaves, and as what.
        folder: Where to; made if it is not there.
        staging: Name of a folder within it in which the files are made; gone afterwards.
        progress: Told how far it is.

    Raises:
        InputError: If something cannot be written as it is asked for; then nothing is written.
        ModelError: If the brain model is needed to find a face, and missing.
        ResourceError: If a file cannot be written; then nothing is written.
        CancelledError: If the user asked to stop; then nothing is written.
    """
    cleaner = None
    if wanted.without_names:
        cleaner = Cleaner(contents.source, contents.example, wanted)
        layered = cleaner.case(replace(contents.case, segmentations=contents.layers))
        contents = replace(contents, case=cleaner.case(contents.case), layers=layered.segmentations)
    with _staged(folder, staging) as place:
        files = list(_write(contents, wanted, cleaner, place, progress))
        if wanted.provenance and contents.provenance:
            from MedAssistLib.export.provenance import write_provenance

            write_provenance(contents.provenance, list(_plain(files)), place / wanted.record)
            files.append(place / wanted.record)
        progress.update(1.0)
        brought = _bring(files, folder, make_folder(place / _REPLACED))
    return Packed(files=brought, warnings=cleaner.warnings if cleaner else ())


def _write(
    contents: Contents, wanted: Parcel, cleaner: Cleaner | None, place: Path, progress: Progress
) -> Iterator[Path]:
    """Write one kind after the other to a folder; yield the files."""
    kinds = [kind for kind in parcel.CHOICES if kind in wanted.kinds]
    if parcel.DICOM_REPORT in kinds and wanted.kinds.get(parcel.SEGMENTATION) == parcel.SEG:
        kinds.remove(parcel.SEGMENTATION)  # The report writes the segmentation that it refers to.
    for number, kind in enumerate(kinds):
        part = progress.part(_STAGES[kind], number / len(kinds), (number + 1) / len(kinds))
        part.update(0.0)
        if cleaner is None or not wanted.names_somebody(kind):
            yield from _write_kind(contents, wanted, kind, place)
        elif wanted.kinds[kind] == parcel.SERIES:
            yield cleaner.series(place / wanted.place(kind), part)
        else:
            made = _write_kind(contents, wanted, kind, make_folder(place / _NAMED))
            yield from (cleaner.file(path, place / path.name, part) for path in made)


def _write_kind(contents: Contents, wanted: Parcel, kind: str, place: Path) -> list[Path]:
    case, path = contents.case, place / wanted.place(kind)
    if path.name.endswith(".dcm"):
        made: list[Path] = formats.writer(formats.DICOM_FORMATS, path)(case, path, contents.source)
        return made
    if kind == parcel.SURFACES:
        from MedAssistLib.export.meshes import MeshOptions, write_meshes

        options = MeshOptions(space=wanted.space, separate=wanted.separate)
        return write_meshes(_drawn(case), path, options)
    if kind == parcel.SEGMENTATION and contents.layers and path.name.endswith(parcel.SLICER):
        from MedAssistLib.export.seg_nrrd import write_layers

        write_layers(contents.layers, case.scan.image, path)
    elif kind == parcel.SEGMENTATION:
        formats.writer(formats.SEGMENTATION_FORMATS, path)(_drawn(case), path)
    elif kind == parcel.MEASUREMENTS:
        formats.writer(formats.MEASUREMENT_FORMATS, path)(case.measurements, path)
    elif kind == parcel.FINDINGS:
        from MedAssistLib.check.findings_file import FindingsFile, write_csv, write_json

        made_by = case.segmentations[-1].made_by if case.segmentations else ""
        found = FindingsFile(findings=case.findings, scan=case.scan.name, segmentation=made_by)
        (write_json if path.suffix == ".json" else write_csv)(found, path)
    elif kind == parcel.REPORT:
        from MedAssistLib.export.report import ReportOptions

        told = ReportOptions(ranges=contents.ranges, provenance=contents.provenance)
        formats.writer(formats.REPORT_FORMATS, path)(case, path, told)
    else:
        formats.writer(formats.SCAN_FORMATS, path)(case.scan, path)
    return [path]


def _drawn(case: Case) -> Segmentation:
    if not case.segmentations:
        hint = "Segment something first, or choose another segmentation"
        raise InputError("there is no segmentation to export", hint=hint)
    return case.segmentations[-1]


@contextmanager
def _staged(folder: Path, staging: str) -> Iterator[Path]:
    """Give a folder on the disk that the files shall be on."""
    place = make_folder(folder) / staging
    try:
        place.mkdir(mode=0o700)
        yield place
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _bring(files: Sequence[Path], folder: Path, aside: Path) -> tuple[Path, ...]:
    """Move finished files, and folders, to where they belong; none if one of them cannot be.

    Args:
        files: What was made.
        folder: Where it belongs.
        aside: An empty folder on the same disk, for what is replaced until all is there.
    """
    targets = [folder / path.name for path in files]
    for path, target in zip(files, targets, strict=True):
        if target.is_dir() and (path.is_file() or any(target.iterdir())):
            hint = "Give the files another name, or remove it"
            raise ResourceError("is a folder that is there already", where=target, hint=hint)
    with ExitStack() as undo:
        for path, target in zip(files, targets, strict=True):
            if target.is_dir():
                target.rmdir()  # It is empty; some systems rename onto nothing only.
                undo.callback(_quietly, target.mkdir)
            earlier = _kept(target, aside)
            os.replace(path, target)
            if earlier is None:
                undo.callback(_quietly, os.replace, target, path)
            else:
                undo.callback(_quietly, os.replace, earlier, target)
        undo.pop_all()
    return tuple(targets)


def _kept(target: Path, aside: Path) -> Path | None:
    """Keep a file that will be replaced, by another name; return that, ``None`` without a file."""
    if not target.is_file():
        return None
    earlier = aside / target.name
    try:
        os.link(target, earlier)
    except OSError:  # Some disks have no links.
        shutil.copy2(target, earlier)
    return earlier


def _quietly(call: Callable[..., object], *given: object) -> None:
    """Undo what can be undone."""
    with suppress(OSError):
        call(*given)


def _plain(files: Iterable[Path]) -> Iterator[Path]:
    """Yield the files, and those in folders."""
    for path in files:
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
