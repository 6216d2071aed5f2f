"""What the values of a volume mean: their unit, and what is doubtful or was done about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydicom.dataset import Dataset

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.read.dicom.frames import Frame, Meaning
from MedAssistLib.read.dicom.headers import PARSE_ERRORS, Header
from MedAssistLib.read.dicom.pixels import encoding_of
from MedAssistLib.read.dicom.suv import uptake

_HOUNSFIELD = "HU"
# Kinds of multi-energy CT images whose values are no Hounsfield units (PS3.3 C.8.15.3.10).
_NOT_HOUNSFIELD = frozenset(
    [
        *("EFFECTIVE_Z", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY"),
        *("MAT_FRACTIONAL", "MAT_SPECIFIC", "MAT_VALUE_BASED"),
    ]
)


def meaning_of(frames: Sequence[Frame]) -> Meaning:
    """Return what the values of one volume's slices mean.

    Args:
        frames: The slices of one volume.
    """
    headers = tuple(dict.fromkeys(frame.header for frame in frames))
    findings = (*_rescale_findings(headers), *_shown_findings(headers))
    modality = headers[0].text("Modality")
    if modality == "PT":
        found = uptake(frames)
        return replace(found, findings=(*found.findings, *findings))
    if modality != "CT":
        return Meaning(tuple(frames), "", findings)
    doubts = {doubt for header in headers if (doubt := _no_hounsfield(header))}
    if not doubts:
        return Meaning(tuple(frames), _HOUNSFIELD, findings)
    doubtful = Finding(
        rule="scan.no-hounsfield",
        severity=Severity.REVIEW,
        title=f"Values may not be Hounsfield units: {'; '.join(sorted(doubts))}.",
        explanation="Thresholds, windows and models that expect Hounsfield units may not fit.",
    )
    return Meaning(tuple(frames), "", (doubtful, *findings))


def _no_hounsfield(header: Header) -> str:
    """Return why the values of a CT file may not be Hounsfield units; empty if they are."""
    if encoding_of(header).colour:
        return "they are colours"
    kind, rescaled = _stated(header)
    if kind:
        return "" if kind == _HOUNSFIELD else f"the file calls them {kind}"
    if not rescaled:
        return "the file gives no rescale to them"
    other = sorted(_NOT_HOUNSFIELD.intersection(header.words("ImageType")))
    return f"the image type is {other[0]}" if other else ""


def _stated(header: Header) -> tuple[str, bool]:
    """Return the Rescale Type (PS3.3 C.11.1.1.2) or that of the table, and whether one is there."""
    kind, rescaled = header.text("RescaleType"), bool(header.text("RescaleSlope"))
    table = header.text("ModalityLUTSequence")
    if not table and not header.text("PerFrameFunctionalGroupsSequence"):
        return kind.upper(), rescaled
    try:
        data = header.dataset()
        if table:
            return str(data.ModalityLUTSequence[0].get("ModalityLUTType", "")).upper(), True
        groups = (*data.get("SharedFunctionalGroupsSequence", ()),)
        kinds = {
            str(item.get("RescaleType", "")).upper()
            for group in (*groups, *data.PerFrameFunctionalGroupsSequence)
            for item in _transformations(group)
        }
    except PARSE_ERRORS:
        return kind.upper(), rescaled
    return " and ".join(sorted(kinds - {""})) or kind.upper(), rescaled or bool(kinds)


def _transformations(group: Dataset) -> Sequence[Dataset]:
    items: Sequence[Dataset] = group.get("PixelValueTransformationSequence", None) or ()
    return items


def _rescale_findings(headers: Sequence[Header]) -> tuple[Finding, ...]:
    """Name files without a rescale among others that have one."""
    without = sum(not _rescales(header) for header in headers)
    if without in (0, len(headers)):
        return ()
    return (
        Finding(
            rule="scan.mixed-rescale",
            severity=Severity.REVIEW,
            title=f"{without} of {len(headers)} files do not say how their values are rescaled.",
            explanation="The values of these slices may be shifted against the others'. Export "
            "the series again.",
            evidence=(
                Evidence(quantity="files without", measured=without, expected="0", unit="1"),
            ),
        ),
    )


def _rescales(header: Header) -> bool:
    words = ("RescaleSlope", "ModalityLUTSequence", "PerFrameFunctionalGroupsSequence")
    return any(header.text(word) for word in words)


def _shown_findings(headers: Sequence[Header]) -> tuple[Finding, ...]:
    """Say what was done to values that are colours, or shown white where they are low."""
    encodings = [encoding_of(header) for header in headers]
    found = []
    if any(encoding.colour for encoding in encodings):
        found.append(
            Finding(
                rule="scan.colour",
                severity=Severity.REVIEW,
                title="The images are in colour; their brightness was taken.",
                explanation="Colours may stand for measured values, which brightness is not.",
            )
        )
    inverted = sum(encoding.inverted for encoding in encodings)
    if inverted:
        mixed = inverted < len(encodings)
        which = f"{inverted} of {len(encodings)} images are" if mixed else "The images are"
        found.append(
            Finding(
                rule="scan.inverted",
                severity=Severity.REVIEW if mixed else Severity.INFO,
                title=f"{which} stored with low values bright; they were inverted.",
                explanation="So bright is high, as in other scans (MONOCHROME1).",
            )
        )
    return tuple(found)
