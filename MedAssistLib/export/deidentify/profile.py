"""What DICOM PS3.15 Annex E demands for each attribute: its Basic Profile, and a little more.

``profile.json`` is Table E.1-1 of the edition that it names, as dicom-anonymizer (Kitware, BSD)
carries it; a test compares the two.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.datadict import (
    dictionary_description,
    dictionary_has_tag,
    dictionary_VR,
    keyword_for_tag,
    tag_for_keyword,
)

_TABLE: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
EDITION: str = _TABLE["edition"]


class Action(StrEnum):
    """What is done to an attribute."""

    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "replaced by a dummy"
    UID = "replaced by a new UID"
    INSIDE = "cleaned inside"


# Where the table leaves a choice by the attribute's type in its object, what fits every type.
_ACTIONS = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.UID,
    "Z/D": Action.DUMMY,
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.INSIDE,
}
_STANDARD = {
    int(tag, 16): (_ACTIONS[code], name) for tag, (code, name) in _TABLE["attributes"].items()
}

# What images need not have, and may not have empty.
_SETTLED = {"ReferencedStudySequence": Action.REMOVE}
# What the table says nothing of, and what may name somebody all the same.
_MORE = {
    "EncryptedAttributesSequence": Action.REMOVE,
    "MACParametersSequence": Action.REMOVE,
    "PatientBirthDateInAlternativeCalendar": Action.REMOVE,
    "PatientDeathDateInAlternativeCalendar": Action.REMOVE,
    "BreedRegistrationNumber": Action.REMOVE,
    "NTPSourceAddress": Action.REMOVE,
    "OwnerID": Action.REMOVE,
    "ContactDisplayName": Action.REMOVE,
    "ContactURI": Action.REMOVE,
    "RetrieveURL": Action.REMOVE,
    "RetrieveURI": Action.REMOVE,
    "StorageURL": Action.REMOVE,
    "StoredInstanceBaseURI": Action.REMOVE,
    "FolderAccessURI": Action.REMOVE,
    "FileAccessURI": Action.REMOVE,
    "FilenameInContainer": Action.REMOVE,
    "PixelDataProviderURL": Action.REMOVE,
    "HL7InstanceIdentifier": Action.REMOVE,
    "AssignedLocation": Action.REMOVE,
    "DeidentificationMethod": Action.REMOVE,
    "TextValue": Action.DUMMY,
}
_OURS = {tag_for_keyword(keyword): action for keyword, action in (_MORE | _SETTLED).items()}

_TIMES = ("DA", "DT", "TM")
# Times that are no part of the longitudinal options (the table's columns for them are empty).
_NEVER_KEPT = frozenset(
    tag_for_keyword(keyword) for keyword in ("PatientBirthDate", "PatientBirthTime", "GPSTimeStamp")
)
_TIME_ZONE = tag_for_keyword("TimezoneOffsetFromUTC")
_KINDS_OF_THINGS = ("SOPClass", "TransferSyntax", "CodingScheme", "MappingResource")
_NO_DATA_SET = (0x0000, 0x0002, 0x0004)


@cache
def action_for(tag: int) -> Action | None:
    """Return what the profile does to an attribute; ``None`` if it is kept.

    Args:
        tag: Its tag, group above element.
    """
    group, element = tag >> 16, tag & 0xFFFF
    if group % 2 or group in _NO_DATA_SET or element == 0 or is_curve_or_overlay(tag):
        return Action.REMOVE
    if tag in _OURS:
        return _OURS[tag]
    if tag in _STANDARD:
        return _STANDARD[tag][0]
    if not dictionary_has_tag(tag):
        return Action.REMOVE
    vr = dictionary_VR(tag)
    if vr == "PN" or vr in _TIMES:
        return Action.EMPTY
    keyword = keyword_for_tag(tag)
    named_thing = any(part in keyword for part in _KINDS_OF_THINGS)
    return Action.UID if vr == "UI" and not named_thing else None


@cache
def is_kept_time(tag: int) -> bool:
    """Tell whether an attribute is one that the options for dates keep or shift."""
    if tag == _TIME_ZONE:
        return True
    if tag in _NEVER_KEPT or not dictionary_has_tag(tag):
        return False
    return dictionary_VR(tag) in _TIMES


def is_curve_or_overlay(tag: int) -> bool:
    """Tell whether an attribute is part of a curve (50xx) or an overlay (60xx)."""
    group = tag >> 16
    return group % 2 == 0 and group >> 8 in (0x50, 0x60)


@cache
def name_of(tag: int) -> str:
    """Return what a report calls an attribute: nothing that a file could have made up."""
    group = tag >> 16
    if group % 2:
        return "Private attributes"
    if is_curve_or_overlay(tag):
        return "Curves" if group >> 8 == 0x50 else "Overlays"
    if dictionary_has_tag(tag):
        return dictionary_description(tag)
    return _STANDARD[tag][1] if tag in _STANDARD else "Unknown attributes"
