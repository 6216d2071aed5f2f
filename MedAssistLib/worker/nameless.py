"""Taking names out of what leaves."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.case import Case, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.parcel import DICOM_REPORT, Parcel
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.export.deidentify import DeidentifyOptions
    from MedAssistLib.export.deidentify.identity import Identity
    from MedAssistLib.export.dicom.sources import Source

_BRAIN = "12738006"
"""SNOMED CT: brain."""
_BY_HAND = "by hand"
_ELSEWHERE = "On the command line medassist deidentify can be told what to do with it: {hint}"


class Cleaner:
    """Takes names out, with the same new UIDs and pseudonym in all files.

    Args:
        source: The DICOM series of the scan, if something of DICOM leaves.
        example: A file of that series, which tells who was scanned, if one is at hand.
        wanted: What leaves.

    Attributes:
        warnings: What a person must know before giving the files away.

    Raises:
        InputError: If the name of the files names the patient.
    """

    def __init__(self, source: Source | None, example: Path | None, wanted: Parcel) -> None:
        self.warnings: tuple[str, ...] = ()
        self._source, self._wanted = source, wanted
        self._key = secrets.token_bytes(32)
        self._identity = _identity(example) if example else None
        self._brain: Segmentation | None = None
        self._require_nobody(wanted.name, "The files would be called so")

    def case(self, case: Case) -> Case:
        """Return a case without the words that people wrote about it.

        Raises:
            InputError: If a structure is called after the patient.
        """
        drawn = [_without_maker(made) for made in case.segmentations]
        for segment in (segment for made in drawn for segment in made.segments):
            self._require_nobody(segment.name, "Rename this structure")
        self._brain = next((made for made in drawn if _brain_of(made)), None)
        if any(finding.comment for finding in case.findings):
            self._warn("The comments on the findings were left out.")
        if case.findings and DICOM_REPORT in self._wanted.kinds:
            self._warn("The DICOM report has the findings without their words.")
        findings = tuple(replace(finding, comment="") for finding in case.findings)
        return replace(case, segmentations=tuple(drawn), findings=findings)

    def file(self, path: Path, target: Path, progress: Progress) -> Path:
        """Write a cleaned copy of a file; return its path.

        Raises:
            InputError: If it cannot be cleaned.
            ResourceError: If it cannot be written.
        """
        # What an image file shows it cannot say; whoever asks for it has been warned.
        self._clean([path], target, progress, deface=self._wanted.deface and path.suffix != ".dcm")
        return target

    def series(self, target: Path, progress: Progress) -> Path:
        """Write cleaned copies of the files of the scan's series to a new folder; return it.

        Raises:
            InputError: If there is no series, or it cannot be cleaned.
            ResourceError: If it cannot be written.
        """
        if self._source is None:
            hint = "Choose the folder of its series, or another format"
            raise InputError("the volume was not read from DICOM", hint=hint)
        paths, deface = list(self._source.paths), self._wanted.deface
        for warning in self._clean(paths, target, progress, deface=deface):
            self._warn(warning)
        return target

    def _clean(
        self, paths: list[Path], target: Path, progress: Progress, *, deface: bool
    ) -> tuple[str, ...]:
        """Clean files; return what a person must know before giving them away."""
        from MedAssistLib.export.deidentify import deidentify

        try:
            done = deidentify(paths, target, self._options(target.parent, deface=deface), progress)
        except InputError as error:
            hint = _ELSEWHERE.format(hint=error.hint) if "--" in error.hint else error.hint
            raise InputError(error.what, where=error.where, hint=hint) from error
        return done.warnings

    def _options(self, folder: Path, *, deface: bool) -> DeidentifyOptions:
        from MedAssistLib.export.deidentify import DeidentifyOptions

        brain = None
        if deface and self._brain:
            from MedAssistLib.export.images import write_image

            segment = _brain_of(self._brain)
            brain = folder / "brain.nrrd"
            write_image(self._brain.labels == (segment.label if segment else 0), brain)
        return DeidentifyOptions(key=self._key, deface=deface, brain=brain, blank_text=True)

    def _require_nobody(self, text: str, hint: str) -> None:
        if self._identity is not None and self._identity.is_in(text):
            raise InputError("names the patient", where=text, hint=hint)

    def _warn(self, warning: str) -> None:
        self.warnings = tuple(dict.fromkeys((*self.warnings, warning)))


def _identity(path: Path) -> Identity | None:
    """Return who a DICOM file is about; ``None`` if it is none."""
    from MedAssistLib.export.deidentify.identity import Identity
    from MedAssistLib.read.dicom.headers import read_header

    header = read_header(path)
    return Identity(header.dataset()) if header else None


def _without_maker(made: Segmentation) -> Segmentation:
    """Return a segmentation that tells no file that it was read from: those are often names."""
    known = made.made_by.startswith("model ") or made.made_by == _BY_HAND
    return made if known else replace(made, made_by="")


def _brain_of(made: Segmentation) -> Segment | None:
    """Return the segment that is the whole brain, if there is one."""
    whole = (s for s in made.segments if s.type.value == _BRAIN and not (s.modifier or s.region))
    return next(whole, None)
