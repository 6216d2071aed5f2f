"""Measurements as DICOM SR states them (PS3.16 TID 300): coded quantities, units and methods."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from MedAssistLib.case import Code
from MedAssistLib.export.dicom.codes import concept

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept, Measurement

SCHEME = "99MEDASSIST"
"""Designator of the codes for what no standard scheme has a code for (PS3.16 section 8)."""

CERTAINTY = "certainty"
"""What the confidence of a finding is called as a quantity."""

_MEAN = Code("373098007", "SCT", "Mean")
_DEVIATION = Code("386136009", "SCT", "Standard Deviation")
_INTENSITY = {
    "CT": Code("112031", "DCM", "Attenuation Coefficient"),
    "MR": Code("110852", "DCM", "MR signal intensity"),
}
_METHODS = {
    "voxel count × voxel volume": Code("126030", "DCM", "Sum of segmented voxel volumes"),
}
_UNITS = {
    "1": "no units",
    "%": "Percent",
    "mm": "millimeter",
    "mm2": "square millimeter",
    "mm3": "cubic millimeter",
    "cm": "centimeter",
    "cm2": "square centimeter",
    "mL": "milliliter",
    "[hnsf'U]": "Hounsfield unit",
    "deg": "degree",
}


class Quantity(NamedTuple):
    """What is measured.

    Attributes:
        name: The quantity.
        derivation: Which statistic of it, if it is one.
    """

    name: Code
    derivation: Code | None = None


def quantity(name: str, modality: str) -> Quantity:
    """Return the codes of a quantity, MedAssist's own where there are no others.

    Args:
        name: As measurements name it, such as ``"volume"``.
        modality: DICOM modality of the scan, which says what its intensities are.
    """
    intensity = _INTENSITY.get(modality, own_code("intensity"))
    known = {
        "volume": Quantity(Code("118565006", "SCT", "Volume")),
        "mean intensity": Quantity(intensity, _MEAN),
        "intensity standard deviation": Quantity(intensity, _DEVIATION),
        CERTAINTY: Quantity(Code("111012", "DCM", "Certainty of Finding")),
    }
    return known.get(name) or Quantity(own_code(name))


def own_code(text: str) -> Code:
    """Return MedAssist's code for a few words, such as ``surface-area`` for "surface area"."""
    value = re.sub(r"[^\w.%]+", "-", text.casefold()).strip("-")
    return Code(value or "unnamed", SCHEME, text[:1].upper() + text[1:] or "Unnamed")


def unit(ucum: str) -> CodedConcept:
    """Return a UCUM unit; without one, that it has none."""
    value = ucum or "1"
    return concept(Code(value, "UCUM", _UNITS.get(value, value)))


def stated(
    name: str, value: float, ucum: str, *, modality: str, method: str = ""
) -> Measurement | None:
    """Return a number as SR states it; ``None`` if it does not exist.

    Args:
        name: The quantity, as measurements name it.
        value: The number.
        ucum: Its UCUM unit; empty for none.
        modality: DICOM modality of the scan.
        method: How it was computed; empty if nobody says.
    """
    from highdicom.sr import Measurement

    if not math.isfinite(value):
        return None
    what, derivation = quantity(name, modality)
    how = _METHODS.get(method) or own_code(method)
    return Measurement(
        name=concept(what),
        value=float(value),
        unit=unit(ucum),
        derivation=concept(derivation) if derivation else None,
        method=concept(how) if method else None,
    )
