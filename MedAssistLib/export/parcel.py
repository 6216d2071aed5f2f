"""What of a case leaves together, as which files, and how they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from MedAssistLib import terminology
from MedAssistLib.case import Segment
from MedAssistLib.errors import UsageError

SEGMENTATION, SURFACES, MEASUREMENTS = "segmentation", "surfaces", "measurements"
FINDINGS, REPORT, DICOM_REPORT, SCAN = "findings", "report", "dicom-report", "scan"
SEG, SR, SERIES, SLICER = ".seg.dcm", ".sr.dcm", ".dcm", ".seg.nrrd"

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SEGMENTATION: (SEG, ".labelmap.dcm", SLICER, ".nii.gz", ".nrrd", ".mha"),
        SURFACES: (".stl", ".obj", ".ply", ".glb"),
        MEASUREMENTS: (".csv", ".json"),
        FINDINGS: (".json", ".csv"),
        DICOM_REPORT: (SR,),
        REPORT: (".html", ".pdf"),
        SCAN: (".nii.gz", ".nrrd", ".mha", SERIES),
    }
)
"""What can leave, and the suffixes of the files that each can be, the scan's series among them."""

_ENDINGS = {MEASUREMENTS: "-measurements", FINDINGS: "-findings", REPORT: "-report"}
_PROVENANCE = "-provenance.json"
_NOT_IN_NAMES = '<>:"/\\|?*'


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What of a case leaves together.

    Attributes:
        name: What the names of all files begin with.
        kinds: The suffix of each kind that leaves; see :data:`CHOICES`. ``SERIES`` is the DICOM
            series of the scan, without names.
        space: ``"LPS"`` or ``"RAS"``, of surfaces.
        separate: One file for each structure's surface.
        without_names: Nothing in the files says who was scanned.
        deface: Take the face out of the scan.
        provenance: Say in a file of its own where all comes from.

    Raises:
        UsageError: If there is no such kind or format, the name is none for a file, or what is
            asked for does not go together.
    """

    name: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    space: str = "LPS"
    separate: bool = False
    without_names: bool = False
    deface: bool = False
    provenance: bool = False

    def __post_init__(self) -> None:
        if not self.kinds:
            raise UsageError("nothing was chosen to be written", hint="Tick something")
        for kind, suffix in self.kinds.items():
            if suffix not in CHOICES.get(kind, ()):
                raise UsageError(f'there is no {kind} as "{suffix}"')
        if self.name != file_name(self.name) or not self.name:
            hint = "Use letters, digits, blanks, - and _"
            raise UsageError(f'"{self.name}" is no name for files', hint=hint)
        if self.kinds.get(SCAN) == SERIES and not self.without_names:
            hint = "Copy the files of the series, or write them without names"
            raise UsageError("the DICOM series would be written as it is", hint=hint)
        if self.deface and not (self.without_names and SCAN in self.kinds):
            raise UsageError("only a scan that leaves without names loses its face")

    @property
    def of_dicom(self) -> bool:
        """Whether something in it refers to the DICOM series of the scan."""
        return any(suffix.endswith(".dcm") for suffix in self.kinds.values())

    def names_somebody(self, kind: str) -> bool:
        """Tell whether files of a kind may say who was scanned, or show a face."""
        return kind == SCAN or self.kinds[kind].endswith(".dcm")

    def place(self, kind: str) -> str:
        """Return the name of the file that a kind is written to; of the series, of its folder."""
        suffix = self.kinds[kind]
        if suffix == SERIES:
            return f"{self.name}-dicom"
        plain = kind == SEGMENTATION and suffix in CHOICES[SCAN]
        return f"{self.name}{'-labels' if plain else _ENDINGS.get(kind, '')}{suffix}"

    @property
    def record(self) -> str:
        """Name of the file that says where all comes from."""
        return f"{self.name}{_PROVENANCE}"

    def names(self, segments: Sequence[Segment] = ()) -> Iterator[str]:
        """Yield the names of all files that may be written for a segmentation."""
        for kind in self.kinds:
            if kind == SURFACES:
                yield from self._surfaces(segments)
            else:
                yield self.place(kind)
        if DICOM_REPORT in self.kinds:
            yield f"{self.name}{SEG}"
        if self.provenance:
            yield self.record

    def _surfaces(self, segments: Sequence[Segment]) -> Iterator[str]:
        names = [self.name]
        if self.separate:
            names = [f"{self.name}-{own}" for own in terminology.segment_ids(segments)]
        suffix = self.kinds[SURFACES]
        for name in names:
            yield f"{name}{suffix}"
            if suffix == ".obj":
                yield f"{name}.mtl"


def file_name(text: str) -> str:
    """Return a text as a name that every file system takes; empty if nothing is left of it."""
    shown = (" " if c in _NOT_IN_NAMES or not c.isprintable() else c for c in text)
    return " ".join("".join(shown).split()).strip(". ")[:80].strip(". ")
