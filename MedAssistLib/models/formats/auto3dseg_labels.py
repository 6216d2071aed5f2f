"""What the labels of an Auto3DSeg model mean, from the ``labels.csv`` beside its weights.

Its columns are those of the Slicer extension MONAIAuto3DSeg: a label's value, its name, and its
codes by the keywords of DICOM's sequences.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from MedAssistLib.case import Code, Segment
from MedAssistLib.errors import ModelError
from MedAssistLib.models import anatomy

_SEQUENCES = {
    "category": "SegmentedPropertyCategoryCodeSequence",
    "type": "SegmentedPropertyTypeCodeSequence",
    "modifier": "SegmentedPropertyTypeModifierCodeSequence",
    "region": "AnatomicRegionSequence",
}

Row = Mapping[str, str | None]


def read_segments(path: Path, painted: Iterable[int], names: Mapping[int, str]) -> list[Segment]:
    """Describe the structures of a model.

    Args:
        path: The ``labels.csv``, which may be missing.
        painted: The labels that the model gives.
        names: What else is known of their names.

    Returns:
        A segment for each label, in ascending order.

    Raises:
        ModelError: If the file is not readable, or names labels that the model does not give.
        KeyError, ValueError: If it has other columns, or a label is no number.
    """
    rows = _rows(path) if path.is_file() else {}
    wanted = sorted(set(painted))
    strange = sorted(rows.keys() - set(wanted))
    if strange:
        named = ", ".join(str(label) for label in strange)
        raise ModelError(f"names the labels {named}, which the network does not give", where=path)
    known = {label: names.get(label, f"Structure {label}") for label in wanted}
    shown = anatomy.segments(known | {label: row["Name"] or "" for label, row in rows.items()})
    coloured = anatomy.segments(known | {label: _meaning(row) for label, row in rows.items()})
    return [
        _coded(replace(segment, colour=like.colour), _codes(rows.get(segment.label, {})))
        for segment, like in zip(shown, coloured, strict=True)
    ]


def _rows(path: Path) -> dict[int, Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = {int(row["LabelValue"] or ""): row for row in csv.DictReader(stream)}
    except (OSError, UnicodeError, csv.Error) as error:
        raise ModelError(f"is not a readable table ({error})", where=path) from error
    rows.pop(0, None)  # The background.
    return dict(rows)


def _meaning(row: Row) -> str:
    """Return what a label's codes mean in words, which tells its usual colour."""
    codes = _codes(row)
    words = [codes[role].meaning for role in ("modifier", "type") if role in codes]
    return " ".join(words) or row["Name"] or ""


def _coded(segment: Segment, codes: Mapping[str, Code]) -> Segment:
    """Return a segment with the codes of the file; without a type there, as it is."""
    if "type" not in codes:
        return segment
    return replace(
        segment,
        category=codes.get("category", segment.category),
        type=codes["type"],
        modifier=codes.get("modifier"),
        region=codes.get("region"),
    )


def _codes(row: Row) -> dict[str, Code]:
    """Return the codes that a row has; programs leave out the commas at its end."""
    codes = {}
    for role, sequence in _SEQUENCES.items():
        value, scheme, meaning = (
            (row.get(f"{sequence}.{part}") or "").strip()
            for part in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
        )
        if value and scheme:
            codes[role] = Code(value, scheme, meaning)
    return codes
