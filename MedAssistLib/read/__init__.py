"""The verb *read*: whatever holds a scan becomes a :class:`~MedAssistLib.case.Scan`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from MedAssistLib.case import Evidence, Finding, Scan, Severity
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.kinds import Kind
from MedAssistLib.read.labels import read_segmentation, region_of_mask
from MedAssistLib.read.listed import Aside, Listed, Listing, choose
from MedAssistLib.read.listing import list_scans, listing_of
from MedAssistLib.read.options import ReadOptions
from MedAssistLib.read.stated import NO_PLACE_RULE, TWO_PLACES_RULE
from MedAssistLib.read.values import checked_values

__all__ = [
    "Aside",
    "Listed",
    "Listing",
    "ReadOptions",
    "chosen_files",
    "list_scans",
    "read_scan",
    "read_segmentation",
    "region_of_mask",
]

_LOST_RULE = "scan.lost-files"
# What leaves a scan's place or extent open, so that a strict reader refuses it.
_DOUBTFUL = (NO_PLACE_RULE, TWO_PLACES_RULE, _LOST_RULE)


def read_scan(
    path: str | os.PathLike[str],
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Read one volume.

    Args:
        path: A folder of any mixture, a zip, a DICOMDIR, or a file: DICOM, NIfTI, NRRD, MetaImage,
            MINC 2, Analyze or NumPy, whatever its name.
        options: How to read.
        progress: Told how far it is.

    Raises:
        InputError: If there is nothing to read, if it is damaged, not a 3-D volume, has no usable
            geometry, or if every voxel is the same.
        UsageError: If a spacing is given for a file that has its own.
        CancelledError: If the user asked to stop.
    """
    source = Path(path)
    options = options or ReadOptions()
    progress = (progress or Progress()).part("Reading", 0.0, 1.0)
    progress.update(0.0)
    with listing_of(path, progress.part("Looking at files", 0.0, 0.3)) as listing:
        chosen = choose(listing, options.series)
        scan = chosen.load(options, progress.part("Reading slices", 0.3, 0.95))
    found = (*scan.findings, *_lost(chosen, listing))
    scan = _with_modality(replace(scan, source=source, findings=found), options.modality)
    scan = checked_values(scan)
    _require_certain(scan, strict=options.strict)
    progress.update(1.0)
    return scan


def chosen_files(path: str | os.PathLike[str], series: str, progress: Progress) -> tuple[Path, ...]:
    """Return the files that :func:`read_scan` would read of a path, by the headers alone.

    Raises:
        InputError: If there is nothing to read, or ``series`` does not tell which.
        CancelledError: If the user asked to stop.
    """
    with listing_of(path, progress) as listing:
        return choose(listing, series).paths


def _lost(chosen: Listed, listing: Listing) -> tuple[Finding, ...]:
    """Return the finding that files beside a series, perhaps slices of it, could not be read."""
    folders = {path.parent for path in chosen.paths}
    refused = [aside for aside in listing.refused if aside.dicom]
    unsure = [aside for aside in (*listing.refused, *listing.others) if aside.unsure]
    lost = [*refused, *(aside for aside in unsure if aside.path.parent in folders)]
    if not lost or chosen.kind != Kind.DICOM:
        return ()
    kind = "" if unsure else "DICOM "
    some = f"{len(lost)} {kind}files" if len(lost) > 1 else f"One {kind}file"
    finding = Finding(
        rule=_LOST_RULE,
        severity=Severity.REVIEW,
        title=f"{some} beside it could not be read; slices may be missing at its ends.",
        explanation=f"The first one {_said(lost[0])}. See what medassist read --list says.",
        evidence=(Evidence(quantity="files", measured=len(lost), expected="0", unit="1"),),
    )
    return (finding,)


def _said(aside: Aside) -> str:
    return aside.reason.rstrip(".") if aside.damaged else f"is of this kind: {aside.reason}"


def _with_modality(scan: Scan, modality: str) -> Scan:
    if not modality or modality == scan.modality:
        return scan
    if not scan.modality:
        return replace(scan, modality=modality)
    finding = Finding(
        rule="scan.modality-overruled",
        severity=Severity.REVIEW,
        title=f"The file says {scan.modality}; it was read as {modality}, as asked.",
        explanation="Models and filters are chosen by the modality.",
    )
    return replace(scan, modality=modality, findings=(*scan.findings, finding))


def _require_certain(scan: Scan, *, strict: bool) -> None:
    """Refuse a doubtful place if the person wants none."""
    for finding in scan.findings:
        if strict and finding.rule in _DOUBTFUL:
            what = f"is doubtful: {finding.title.rstrip('.')}"
            raise InputError(what, where=scan.source or scan.name, hint="Leave --strict away")
