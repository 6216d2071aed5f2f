"""What flows through MedAssist: one case, to which each verb adds.

Geometry is always that of the ``SimpleITK.Image``: points and directions in LPS millimetres, index
order (i, j, k). Nothing here computes; the classes only refuse what later verbs could not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import SimpleITK as sitk

from MedAssistLib.errors import InputError

Point = tuple[float, float, float]

EDITED = ", edited or reviewed by hand"
"""What is added to :attr:`Segmentation.made_by` when a person had a hand in it."""

_INTEGER_PIXELS = frozenset(
    {
        sitk.sitkUInt8,
        sitk.sitkInt8,
        sitk.sitkUInt16,
        sitk.sitkInt16,
        sitk.sitkUInt32,
        sitk.sitkInt32,
    }
)


@dataclass(frozen=True)
class Code:
    """A coded concept, as in DICOM PS3.3 section 8.8 (Code Value, Coding Scheme, Code Meaning)."""

    value: str
    scheme: str
    meaning: str


ANATOMICAL_STRUCTURE = Code("123037004", "SCT", "Anatomical Structure")
TISSUE = Code("85756007", "SCT", "Tissue")


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    REVIEW = "review"
    URGENT = "urgent"


class State(StrEnum):
    """What the reviewer said of a finding."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A number behind a finding: what was measured, what was expected, in which UCUM unit."""

    quantity: str
    measured: float
    expected: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that deserves a second look.

    Attributes:
        rule: Name of the rule that found it.
        severity: How much it matters.
        title: One plain sentence.
        explanation: Why it was flagged and what to do.
        structure: Name of the segment, or empty when it is about the scan.
        point: Where to look, LPS mm; ``None`` when it has no place.
        box: Two corners of what it is about, LPS mm.
        evidence: The numbers behind it.
        confidence: How sure the rule is, in [0, 1].
        state: The reviewer's answer.
        comment: The reviewer's words.
    """

    rule: str
    severity: Severity
    title: str
    explanation: str = ""
    structure: str = ""
    point: Point | None = None
    box: tuple[Point, Point] | None = None
    evidence: tuple[Evidence, ...] = ()
    confidence: float = 1.0
    state: State = State.OPEN
    comment: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence is {self.confidence}, not in [0, 1]")


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """One volume.

    Attributes:
        image: 3-D scalar image, physical space in LPS mm.
        modality: DICOM modality (PS3.3 C.7.3.1.1.1), such as ``"MR"``; empty when not known.
        name: Short name without anything about the patient.
        source: The file or folder that it was read from.
        series_uid: DICOM Series Instance UID.
        attributes: DICOM attributes that later verbs need, by keyword.
        enhancement: The filters that were run on it, as the command line writes them.
        findings: What was odd about it when it was read.

    Raises:
        InputError: If the image is not a 3-D scalar volume of at least two slices a side.
    """

    image: sitk.Image
    modality: str = ""
    name: str = "scan"
    source: Path | None = None
    series_uid: str = ""
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    enhancement: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        place = self.source or self.name
        _require_volume(self.image, place)
        if min(self.image.GetSize()) < 2:
            size = "×".join(str(n) for n in self.image.GetSize())
            hint = "Give a volume of at least two slices"
            raise InputError(f"is a single slice ({size} voxels)", where=place, hint=hint)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One structure of a segmentation.

    Attributes:
        label: Its value in the label image, from 1.
        name: What a person calls it.
        colour: RGB, each in [0, 255].
        category: What kind of thing it is, such as SCT 123037004 "Anatomical Structure".
        type: What it is, such as SCT 10200004 "Liver".
        modifier: More about the type, such as SCT 7771000 "Left".
        region: Where it is, when the type does not say.
    """

    label: int
    name: str
    colour: tuple[int, int, int]
    category: Code = TISSUE
    type: Code = TISSUE
    modifier: Code | None = None
    region: Code | None = None

    def __post_init__(self) -> None:
        if self.label < 1:
            raise InputError(f"label {self.label} is not above zero", where=self.name)
        if not self.name.strip():
            raise InputError(f"label {self.label} has no name")
        if not all(0 <= value <= 255 for value in self.colour):
            raise InputError(f"colour {self.colour} is not within 0 to 255", where=self.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmentation:
    """Structures drawn on a scan by a model or a person.

    Attributes:
        labels: Label image on the scan's grid, integer pixels, 0 is background.
        segments: The structures, each with a label of its own; one may be absent from the image.
        made_by: Which model or person made it.

    Raises:
        InputError: If the image is not a 3-D label image or two segments share a label.
    """

    labels: sitk.Image
    segments: tuple[Segment, ...]
    made_by: str = ""

    def __post_init__(self) -> None:
        _require_volume(self.labels, "segmentation")
        if self.labels.GetPixelID() not in _INTEGER_PIXELS:
            kind = self.labels.GetPixelIDTypeAsString()
            raise InputError(f"label image has {kind} pixels, not whole numbers")
        labels = [segment.label for segment in self.segments]
        if len(set(labels)) != len(labels):
            raise InputError(f"two segments share one label value (labels {labels})")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number about one structure.

    Attributes:
        structure: Name of the segment.
        quantity: What was measured, such as ``"volume"``.
        value: The number; NaN when it does not exist, as the mean of an empty structure.
        unit: UCUM unit, such as ``"mL"``.
        method: How it was computed.
    """

    structure: str
    quantity: str
    value: float
    unit: str
    method: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A scan and everything that the verbs found out about it.

    Attributes:
        scan: The scan as it was read.
        enhanced: Enhanced versions of it, by what was done.
        segmentations: Structures on the scan's grid.
        measurements: Numbers about them.
        findings: What deserves a second look, the most important first.
    """

    scan: Scan
    enhanced: tuple[Scan, ...] = ()
    segmentations: tuple[Segmentation, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()


def _require_volume(image: sitk.Image, place: str | Path) -> None:
    """Refuse images that are not 3-D with one number a voxel."""
    if image.GetDimension() != 3:
        hint = "Give one 3-D volume"
        raise InputError(f"is {image.GetDimension()}-D, not 3-D", where=place, hint=hint)
    count = image.GetNumberOfComponentsPerPixel()
    if count != 1:
        hint = "Give a scan with one number a voxel"
        raise InputError(f"has {count} values a voxel (colour or vectors)", where=place, hint=hint)
