"""What a search for DICOM volumes finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from MedAssistLib.case import Finding
from MedAssistLib.read.dicom.frames import Frame
from MedAssistLib.read.dicom.geometry import Grid


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume that can be loaded.

    Attributes:
        series_uid: Series Instance UID; empty where a tool removed it.
        series_number: Series Number.
        description: What it shows, without anything about the patient.
        modality: DICOM modality.
        size: Voxels along i, j, k, as loaded.
        spacing: mm along i, j, k, as loaded.
        slices: How many images it is made of.
        findings: What is odd about it.
        geometry: Those of the findings that are about where its slices lie, not about their values.
        split: What tells it from others of its series, such as ``"echo 2"``; empty if alone.
        paths: Its files.
        sop_class: SOP Class UID.
        frames: Its images, in order.
        grid: Where they lie.
        unit: Unit of the values where the files say: ``"HU"``, ``"g/ml"`` (SUV), ``"Bq/ml"``.
    """

    series_uid: str
    series_number: int | None
    description: str
    modality: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    slices: int
    findings: tuple[Finding, ...]
    geometry: tuple[Finding, ...]
    split: str
    paths: tuple[Path, ...]
    sop_class: str
    frames: tuple[Frame, ...] = field(repr=False)
    grid: Grid = field(repr=False)
    unit: str


@dataclass(frozen=True)
class Other:
    """A DICOM file that is no slice of a volume.

    Attributes:
        path: The file.
        kind: What it is, in plain words, such as ``"report"``.
        series_uid: Series Instance UID.
        sop_class_uid: SOP Class UID.
    """

    path: Path
    kind: str
    series_uid: str
    sop_class_uid: str


@dataclass(frozen=True)
class Refused:
    """A DICOM file that cannot be read.

    Attributes:
        path: The file.
        reason: Why, in one line that follows the file's name.
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class Found:
    """What a set of files holds; files that are not DICOM are left out."""

    volumes: tuple[Volume, ...]
    others: tuple[Other, ...]
    refused: tuple[Refused, ...]
