"""What was found below a path, and choosing one scan of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from MedAssistLib.case import Finding, Scan
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom.kinds import SEGMENTATION, SINGLE
from MedAssistLib.read.kinds import Kind
from MedAssistLib.read.options import ReadOptions

_MOST_SHOWN = 10
_MOST_REASONS = 3
_ANY = "MedAssist reads DICOM, NIfTI, NRRD, MetaImage, MINC 2, Analyze and NumPy volumes"
_HINTS = {
    SEGMENTATION: "Give it as the segmentation, with the scan that it was drawn on",
    SINGLE: "Give the folder with its other slices",
    Kind.PACKED: "Unpack it and give the folder",
    Kind.GZIP_DICOM: "Unpack the files and give the folder",
}

Load = Callable[[ReadOptions, Progress], Scan]


@dataclass(frozen=True, kw_only=True, eq=False)
class Listed:
    """One volume that can be read.

    Attributes:
        number: What ``--series`` calls it, from 1.
        kind: The kind of its files, such as ``"DICOM"``.
        description: What it shows, without anything about the patient; the file's name if it is no
            DICOM.
        modality: DICOM modality, empty if not known.
        size: Voxels along i, j, k, as read.
        spacing: mm along i, j, k, as read; ``None`` if the file does not say.
        slices: How many slices it was made of.
        findings: What is odd about it, as far as the headers tell.
        series_uid: DICOM Series Instance UID.
        paths: Its files.
        load: Reads it.
    """

    number: int
    kind: str
    description: str
    modality: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float] | None
    slices: int
    findings: tuple[Finding, ...]
    series_uid: str = ""
    paths: tuple[Path, ...]
    load: Load = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Aside:
    """A file that cannot be read as a volume.

    Attributes:
        path: The file.
        reason: What it is, or what is wrong with it, in plain words.
        damaged: Whether it should have been a volume.
        dicom: Whether it is, or should be, a DICOM file: a slice of one of the scans may be lost.
        unsure: Whether nobody can say what it was: a slice, if it lies beside others.
    """

    path: Path
    reason: str
    damaged: bool = False
    dicom: bool = False
    unsure: bool = False


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What lies below a path.

    Attributes:
        source: The path.
        scans: What can be read, in the order of their numbers.
        others: Files that are no volume: reports, pictures, single images, texts.
        refused: Files that should be one and cannot be read, each with the reason.
    """

    source: Path
    scans: tuple[Listed, ...]
    others: tuple[Aside, ...]
    refused: tuple[Aside, ...]


def choose(listing: Listing, choice: str) -> Listed:
    """Return the scan that a person means.

    Args:
        listing: What there is.
        choice: Its number, or the UID of its series; may be empty if there is only one.

    Raises:
        InputError: If there is none, or more than one.
    """
    matching = [scan for scan in listing.scans if _is_meant(scan, choice)]
    if len(matching) == 1:
        return matching[0]
    if not listing.scans:
        raise _nothing(listing)
    shown = "; ".join(_line(scan) for scan in (matching or listing.scans)[:_MOST_SHOWN])
    more = len(matching or listing.scans) - _MOST_SHOWN
    hint = f"Choose one with --series: {shown}" + (f"; and {more} more" if more > 0 else "")
    what = f"holds {len(matching)} scans"
    if choice:
        what = f"holds {len(matching)} scans of that series" if matching else _no_series(choice)
    raise InputError(what, where=listing.source, hint=hint)


def _is_meant(scan: Listed, choice: str) -> bool:
    return not choice or choice == str(scan.number) or choice == scan.series_uid


def _no_series(choice: str) -> str:
    return f"has no series {choice!r}"


def _line(scan: Listed) -> str:
    uid = f", {scan.series_uid}" if scan.series_uid else ""
    return f"{scan.number}: {scan.modality or '?'} of {scan.slices} slices, {scan.description}{uid}"


def _nothing(listing: Listing) -> InputError:
    """Say why there is nothing to read: the one reason, or what there is instead."""
    asides = (*listing.refused, *listing.others)
    if len(asides) == 1:
        (aside,) = asides
        reason = aside.reason if aside.damaged else f"is no volume: {aside.reason}"
        hint = "" if aside.damaged else _HINTS.get(aside.reason, _ANY)
        return InputError(reason, where=aside.path, hint=hint)
    counted = Counter(aside.reason for aside in asides).most_common(_MOST_REASONS)
    what = "holds no image that can be read"
    if counted:
        what += f" ({'; '.join(f'{count} × {reason}' for reason, count in counted)})"
    return InputError(what, where=listing.source, hint=_ANY)
