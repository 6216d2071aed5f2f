"""How 3D Slicer names the segments of a segmentation: their ids and the text form of their codes.

Codes are seven fields between ``~``: context name, category, type, type modifier, anatomic context
name, region, region modifier; each code is ``scheme^value^meaning``
(``vtkSlicerTerminologiesModuleLogic::SerializeTerminologyEntry``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from MedAssistLib.case import TISSUE, Code, Segment

_TYPE_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"
_NO_CODE = "^^"
_FIELDS = 7
_CODE_PARTS = 3
# What would end a field, an entry, or a tag of a .seg.nrrd file.
_RESERVED = str.maketrans("~^|\n\r", "---  ")


class SegmentCodes(NamedTuple):
    """The codes of one segment, as in :class:`~MedAssistLib.case.Segment`."""

    category: Code
    type: Code
    modifier: Code | None
    region: Code | None


def segment_ids(segments: Sequence[Segment]) -> list[str]:
    """Return an id for each segment, made of its name so that scripts can tell what it is.

    No blanks, ``:`` or ``|``, which separate ids in a file; a repeated name gets a number.
    """
    identifiers: list[str] = []
    for segment in segments:
        name = re.sub(r"\W+", "_", segment.name.casefold()).strip("_") or "segment"
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        free = (wish for wish in itertools.chain([name], numbered) if wish not in identifiers)
        identifiers.append(next(free))
    return identifiers


def to_slicer(segment: Segment) -> str:
    """Return a segment's codes in Slicer's text form."""
    return "~".join(
        [
            _TYPE_CONTEXT,
            _code_text(segment.category),
            _code_text(segment.type),
            _code_text(segment.modifier),
            _REGION_CONTEXT,
            _code_text(segment.region),
            _NO_CODE,
        ]
    )


def from_slicer(text: str) -> SegmentCodes:
    """Read Slicer's text form; what is missing or malformed becomes "Tissue", Slicer's default."""
    fields = text.split("~")
    codes = [_code(field) for field in fields] + [None] * _FIELDS
    return SegmentCodes(codes[1] or TISSUE, codes[2] or TISSUE, codes[3], codes[5])


def _code_text(code: Code | None) -> str:
    if code is None:
        return _NO_CODE
    return "^".join(part.translate(_RESERVED) for part in (code.scheme, code.value, code.meaning))


def _code(field: str) -> Code | None:
    parts = field.split("^")
    if len(parts) != _CODE_PARTS or not parts[1]:
        return None
    scheme, value, meaning = parts
    return Code(value, scheme, meaning)
