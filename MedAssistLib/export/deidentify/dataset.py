"""Cleaning a DICOM dataset, with all that is nested in it, after the profile."""

from __future__ import annotations

import re
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from MedAssistLib.export.deidentify.identity import Identity
from MedAssistLib.export.deidentify.profile import Action, action_for, is_kept_time, name_of
from MedAssistLib.export.deidentify.pseudonyms import Pseudonyms
from MedAssistLib.export.deidentify.safe_private import safe_private_tags
from MedAssistLib.export.deidentify.tally import KEPT, Deeds
from MedAssistLib.export.deidentify.values import REMOVED, dummy, moved, several
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

_TEXTS = frozenset(("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
_CODES_AND_TIMES = frozenset(("AS", "CS", "DA", "DT", "TM", "UI"))
_NUMBERS = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))
_BYTES = frozenset(("OB", "OD", "OF", "OL", "OV", "OW"))
_FORMS = {
    **dict.fromkeys(("DS", "IS"), re.compile(r"[-+0-9.eE\s\0]*")),
    "UI": re.compile(r"[0-9.\s\0]*"),
}
_CODE = re.compile(r"[A-Z0-9_ ]{0,16}")
_PERSON_CODES = frozenset(
    tag_for_keyword(keyword)
    for keyword in ("PersonIdentificationCodeSequence", "InstitutionCodeSequence")
)
_OPTION_CODES = {
    tag_for_keyword("GraphicAnnotationSequence"): "113103",
    tag_for_keyword("ContentSequence"): "113104",
}
# PS3.16 Table 8-1.
_PUBLIC_SCHEMES = frozenset(
    (
        "DCM",
        "SCT",
        "SRT",
        "SNM3",
        "LN",
        "UCUM",
        "RADLEX",
        "FMA",
        "NCIt",
        "UMLS",
        "BI",
        "I10",
        "IBSI",
    )
)
_SHIFTED = "shifted by whole days"
_NAMED = "replaced: it named somebody"


class Cleaner:
    """Cleans one dataset.

    Args:
        identity: Who it is about.
        pseudonyms: New UIDs.
        days: By how many days dates move; ``None`` to remove them.

    Attributes:
        deeds: What was done to which attribute.
        options: Codes of the profile's options that were needed (PS3.16 CID 7050).
    """

    def __init__(self, identity: Identity, pseudonyms: Pseudonyms, days: int | None) -> None:
        self._identity = identity
        self._pseudonyms = pseudonyms
        self._days = days
        self.deeds: Deeds = set()
        self.options: set[str] = set()

    def clean(self, data: Dataset) -> None:
        """Clean a dataset in place."""
        safe = safe_private_tags(data)
        if safe:
            self.options.add("113111")
        coded = _is_public_code(data)
        for tag in list(data.keys()):
            if tag in safe:
                self._note("Private attributes that are numbers", KEPT)
            else:
                self._visit(data, tag, coded=coded)

    def _visit(self, data: Dataset, tag: BaseTag, *, coded: bool) -> None:
        action = action_for(tag)
        kept_time = self._days is not None and is_kept_time(tag)
        if action is Action.REMOVE and not kept_time:
            self._remove(data, tag)
            return
        try:
            element = data[tag]
            if not _is_its_kind(element):
                self._remove(data, tag)
            elif kept_time and self._move(element):
                pass
            elif action is None:
                self._keep(data, element, coded=coded)
            elif action is Action.REMOVE:
                self._remove(data, tag)
            elif not element.is_empty:
                self._replace(data, element, action)
        except PARSE_ERRORS:  # What cannot be read cannot be judged.
            self._remove(data, tag)

    def _remove(self, data: Dataset, tag: BaseTag) -> None:
        del data[tag]
        self._note(name_of(tag), Action.REMOVE)

    def _keep(self, data: Dataset, element: DataElement, *, coded: bool) -> None:
        """Keep an attribute, unless it names somebody; clean what is nested in it."""
        if element.VR == "SQ":
            self._inside(element)
        elif not _is_proper(element):
            self._remove(data, element.tag)
        elif _is_typed(element) and not coded and self._names_somebody(element.value):
            data[element.tag] = DataElement(element.tag, element.VR, dummy(element.VR))
            self._note(name_of(element.tag), _NAMED)
        else:
            self._note(name_of(element.tag), KEPT)

    def _replace(self, data: Dataset, element: DataElement, action: Action) -> None:
        tag, vr = element.tag, dictionary_VR(element.tag).split(" or ")[0]
        if action is Action.UID:
            old = [str(uid) for uid in several(element.value)]
            new = [self._pseudonyms.uid(uid) for uid in old]
            data[tag] = DataElement(tag, "UI", new)
            self._note(name_of(tag), KEPT if new == old else action)
            return
        if action is Action.EMPTY:
            data[tag] = DataElement(tag, vr, [] if vr == "SQ" else None)
        elif vr != "SQ":
            data[tag] = DataElement(tag, vr, dummy(vr))
        elif tag in _PERSON_CODES:
            data[tag] = DataElement(tag, "SQ", [_no_code()])
        else:
            self.options |= {_OPTION_CODES[tag]} if tag in _OPTION_CODES else set()
            self._inside(element)
            return
        self._note(name_of(tag), action)

    def _inside(self, element: DataElement) -> None:
        for item in element.value:
            self.clean(item)
        self._note(name_of(element.tag), Action.INSIDE)

    def _move(self, element: DataElement) -> bool:
        """Move a date; tell whether it is one, for other text is treated as the profile says."""
        days = self._days or 0
        values = [moved(element.VR, str(value), days) for value in several(element.value)]
        if element.is_empty or None in values:
            return False
        if days and element.VR in ("DA", "DT"):
            element.value = values[0] if len(values) == 1 else values
            self._note(name_of(element.tag), _SHIFTED)
        else:
            self._note(name_of(element.tag), KEPT)
        return True

    def _names_somebody(self, value: Any) -> bool:
        return any(self._identity.is_in(str(one)) for one in several(value))

    def _note(self, name: str, deed: str) -> None:
        self.deeds.add((name, deed))


def _is_its_kind(element: DataElement) -> bool:
    """Tell whether a value is of the kind that the standard's dictionary gives its attribute."""
    allowed = dictionary_VR(element.tag).split(" or ")
    return _kind(element.VR) in (_kind(vr) for vr in allowed)


def _kind(vr: str) -> str:
    if vr in _TEXTS or vr in _CODES_AND_TIMES:
        return "text"
    return "numbers" if vr in _NUMBERS else "bytes" if vr in _BYTES else vr


def _is_proper(element: DataElement) -> bool:
    """Tell whether numbers and UIDs that are written as text are that, and not some other text."""
    form = _FORMS.get(element.VR)
    return form is None or all(form.fullmatch(str(one)) for one in several(element.value or ""))


def _is_typed(element: DataElement) -> bool:
    """Tell whether people may have typed a value; proper codes are of the standard's making."""
    if element.VR == "CS" and not all(_CODE.fullmatch(str(v)) for v in several(element.value)):
        return True
    return element.VR in _TEXTS or dictionary_VR(element.tag) in _TEXTS


def _is_public_code(data: Dataset) -> bool:
    """Tell whether an item is a code of a published scheme, whose meaning names nobody."""
    try:
        scheme = str(data.get("CodingSchemeDesignator", None))
    except PARSE_ERRORS:
        return False
    return scheme in _PUBLIC_SCHEMES


def _no_code() -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = REMOVED, "99REMOVED", REMOVED
    return item
