"""The worker's job of writing what leaves: files for other programs, and for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from MedAssistLib.case import Case, Scan, Segmentation
from MedAssistLib.errors import InputError, ModelError
from MedAssistLib.export import parcel
from MedAssistLib.export.parcel import Parcel
from MedAssistLib.progress import Progress
from MedAssistLib.worker.arrays import read_scan
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.labels import read_labels
from MedAssistLib.worker.packing import Contents, Packed, pack

if TYPE_CHECKING:
    from MedAssistLib.export.dicom.sources import Source
    from MedAssistLib.export.provenance import Provenance
    from MedAssistLib.export.report_ranges import ReferenceRange
    from MedAssistLib.models import ModelCard

Request = Mapping[str, Any]

_MEASURED = frozenset({parcel.MEASUREMENTS, parcel.REPORT, parcel.DICOM_REPORT})


class _Found(NamedTuple):
    """Files among which a series is, and what the user knows them as."""

    paths: tuple[Path, ...]
    name: str


def export(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Write what of ``scan`` and its ``labels`` leaves to ``folder``.

    ``parcel`` has the fields of :class:`MedAssistLib.export.parcel.Parcel`; ``staging`` names the
    folder within ``folder`` in which the files are made. ``labels``, ``findings``, the name of a
    findings file, and ``series``, the DICOM series as ``files`` or the ``folder`` that holds it,
    are given if they are at hand, as are ``age`` and ``sex`` for reference ranges. ``layers`` is
    what was drawn as it was drawn, given if ``labels`` does not hold all of it.

    The result has the ``files`` with their ``bytes``, those of them that are ``dicom``, and what
    to be warned of.
    """
    progress.part("Preparing", 0.0, 0.02).update(0.0)
    wanted = Parcel(**request["parcel"])
    scan = read_scan(request["scan"])
    drawn = read_labels(request["labels"]) if request.get("labels") else None
    with _files(request, progress.part("Looking for its DICOM series", 0.02, 0.05)) as found:
        part = progress.part("Looking for its DICOM series", 0.05, 0.1)
        source = _source(found, scan, part) if wanted.of_dicom else None
        scan, drawn = _on_series(scan, drawn, source)
        case = _case(request, wanted, scan, drawn, progress.part("Measuring", 0.1, 0.2))
        contents = Contents(
            case=case,
            layers=tuple(map(read_labels, request.get("layers", ()))),
            source=source,
            example=_example(source, found),
            ranges=_ranges(request, case) if parcel.REPORT in wanted.kinds else (),
            provenance=_traced(request, wanted, case, source),
        )
        part = progress.part("Writing", 0.2, 1.0)
        packed = pack(contents, wanted, Path(request["folder"]), request["staging"], part)
    return _told(packed)


@contextmanager
def _files(request: Request, progress: Progress) -> Iterator[_Found | None]:
    """Give the files among which the scan's series is, if that is known; a zip is unpacked."""
    from MedAssistLib.read.sources import files_of

    series = request.get("series") or {}
    if "files" in series:
        yield _Found(tuple(map(Path, series["files"])), "the series in Slicer's database")
    elif "folder" in series:
        with files_of(Path(series["folder"]), progress) as found:
            yield _Found(tuple(found.paths), series["folder"])
    else:
        yield None


def _source(found: _Found | None, scan: Scan, progress: Progress) -> Source:
    from MedAssistLib.export.dicom.sources import source_among

    if found is None:
        hint = "Choose the folder of its series, or another format"
        raise InputError("the volume was not read from DICOM", hint=hint)
    return source_among(found.paths, scan.image, found.name, progress)


def _example(source: Source | None, found: _Found | None) -> Path | None:
    paths = source.paths if source else found.paths if found else ()
    return paths[0] if paths else None


def _on_series(
    scan: Scan, drawn: Segmentation | None, source: Source | None
) -> tuple[Scan, Segmentation | None]:
    """Put scan and labels exactly onto the grid of the series: other readers round its places."""
    if source is None:
        return scan, drawn
    from MedAssistLib.export.dicom.grids import snapped
    from MedAssistLib.export.dicom.sources import NEARLY

    scan = replace(scan, image=snapped(scan.image, source.grid, NEARLY))
    if drawn is not None:
        drawn = replace(drawn, labels=snapped(drawn.labels, source.grid, NEARLY))
    return scan, drawn


def _case(
    request: Request, wanted: Parcel, scan: Scan, drawn: Segmentation | None, progress: Progress
) -> Case:
    from MedAssistLib.check.findings_file import read_json
    from MedAssistLib.measure import measure

    findings = read_json(Path(request["findings"])).findings if request.get("findings") else ()
    if drawn is None:
        return Case(scan=scan, findings=findings)
    measured = measure(scan, drawn, progress) if _MEASURED & set(wanted.kinds) else ()
    return Case(scan=scan, segmentations=(drawn,), measurements=measured, findings=findings)


def _ranges(request: Request, case: Case) -> tuple[ReferenceRange, ...]:
    from MedAssistLib.worker.usual import usual_volumes

    return usual_volumes(case, request.get("age"), request.get("sex") or "")


def _traced(
    request: Request, wanted: Parcel, case: Case, source: Source | None
) -> Provenance | None:
    """Return how the case was made, if a report or a record shall tell it."""
    if not wanted.provenance and parcel.REPORT not in wanted.kinds:
        return None
    from MedAssistLib.export.provenance import source as hashed
    from MedAssistLib.export.provenance import trace

    voxels = {"scan, its voxels": request["scan"], "labels": request.get("labels")}
    inputs = [hashed(role, [Path(one["array"])]) for role, one in voxels.items() if one]
    if source is not None and not wanted.without_names:
        inputs.append(hashed("DICOM series", source.paths))
    options: dict[str, Any] = {"formats": dict(wanted.kinds)}
    if parcel.SURFACES in wanted.kinds:
        options |= {"space": wanted.space, "separate": wanted.separate}
    options |= {name: True for name in ("without_names", "deface") if getattr(wanted, name)}
    try:
        return trace(case, inputs, _model_of(case.segmentations), options)
    except ModelError:  # Its weights are gone.
        return trace(case, inputs, None, options)


def _model_of(made: Iterable[Segmentation]) -> ModelCard | None:
    """Return the card of the model that made a segmentation, if it is still at hand."""
    from MedAssistLib.export.dicom.makers import maker_of
    from MedAssistLib.models import find

    for name in filter(None, (maker_of(one.made_by).model for one in made)):
        with suppress(ModelError):
            return find(name)
    return None


def _told(packed: Packed) -> dict[str, Any]:
    def size(path: Path) -> int:
        inside = path.rglob("*") if path.is_dir() else (path,)
        return sum(one.stat().st_size for one in inside if one.is_file())

    dicom = [path for path in packed.files if path.suffix == ".dcm" or path.is_dir()]
    return {
        "files": [[str(path), size(path)] for path in packed.files],
        "dicom": [str(path) for path in dicom],
        "warnings": list(packed.warnings),
    }
