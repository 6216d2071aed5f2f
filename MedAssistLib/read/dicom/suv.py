"""PET activity to standardised uptake value (SUV) by body weight.

After the vendor-neutral pseudo-code of the RSNA's Quantitative Imaging Biomarkers Alliance
(FDG-PET/CT profile, "happy path only"); what that does not cover is left as stored, and said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydicom.dataset import Dataset

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.read.dicom.frames import Frame, Meaning
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

SUV_UNIT = "g/ml"

_STORED_UNITS = {"BQML": "Bq/ml", "CNTS": "counts", "GML": SUV_UNIT}
_ZONE = re.compile(r"[+-]\d{4}$")
_BODY_WEIGHT = "BW"
_SUV_TYPES = {
    "BSA": "body surface",
    "IBW": "ideal body weight",
    "LBM": "lean body mass",
    "LBMJAMES128": "lean body mass",
    "LBMJANMA": "lean body mass",
}
_LEAST_DOSE_BQ = 1e5
_MOST_WEIGHT_KG = 500.0
_LONGEST_WAIT_S = 24 * 3600.0


class _UnknownError(Exception):
    """An input of the SUV is missing; the message completes "because …"."""


def uptake(frames: Sequence[Frame]) -> Meaning:
    """Return PET slices as SUV by body weight where the files hold all that it takes.

    Args:
        frames: The slices of one volume.
    """
    header = frames[0].header
    stored = header.text("Units").upper()
    unit = _STORED_UNITS.get(stored, stored)
    others = {frame.header.text("Units").upper() for frame in frames} - {stored}
    if others:
        names = " and ".join(sorted(_STORED_UNITS.get(u, u) or "not given" for u in others))
        reason = f"some slices are {unit or 'not given'} and others {names}"
        return Meaning(tuple(frames), "", (_kept_finding("in different units", reason),))
    if stored == "GML":
        kinds = {frame.header.text("SUVType").upper() for frame in frames} - {"", _BODY_WEIGHT}
        if kinds:
            kind = " and ".join(sorted({_SUV_TYPES.get(kind, kind) for kind in kinds}))
            return Meaning(tuple(frames), f"{unit} ({kind})", (_other_finding(kind),))
        # By body weight if it does not say (PS3.3 C.8.9.1.1.3).
        return Meaning(tuple(frames), unit, ())
    try:
        factor = _factor(frames, stored)
    except _UnknownError as error:
        return Meaning(tuple(frames), unit, (_kept_finding(unit, str(error)),))
    rescaled = [
        replace(frame, rescale=(frame.rescale[0] * factor, frame.rescale[1] * factor))
        for frame in frames
    ]
    return Meaning(tuple(rescaled), SUV_UNIT, (_suv_finding(factor, unit),))


def _factor(frames: Sequence[Frame], stored: str) -> float:
    header = frames[0].header
    if stored == "CNTS":
        factor = header.number("PhilipsSUVFactor")
        if factor:
            return factor
        activity = header.number("PhilipsActivityFactor")
        if not activity:
            raise _UnknownError("counts without a factor to activity")
        return activity * _per_activity(frames)
    if stored != "BQML":
        raise _UnknownError(f"their unit is {stored or 'not given'}")
    return _per_activity(frames)


def _per_activity(frames: Sequence[Frame]) -> float:
    """Return SUV per Bq/ml: the body's weight over the dose left when the scan began."""
    header = frames[0].header
    corrected = header.text("CorrectedImage")
    if not ("ATTN" in corrected and "DECY" in corrected):
        raise _UnknownError("they are not corrected for attenuation and decay")
    weight = header.number("PatientWeight") or 0.0
    if not 0.0 < weight < _MOST_WEIGHT_KG:
        raise _UnknownError("the patient's weight is missing")
    if not header.text("RadiopharmaceuticalInformationSequence"):
        raise _UnknownError("the injection is not described")
    items = header.dataset().RadiopharmaceuticalInformationSequence
    dose, half_life = (
        _number(items[0], word) for word in ("RadionuclideTotalDose", "RadionuclideHalfLife")
    )
    if dose < _LEAST_DOSE_BQ or half_life <= 0.0:
        raise _UnknownError("the injected dose or the half-life is missing or impossible")
    correction = header.text("DecayCorrection")
    if correction == "ADMIN":
        left = dose
    elif correction == "START":
        left = dose * 2.0 ** (-_waited(frames, items[0]) / half_life)
    else:
        raise _UnknownError("the time to which decay was corrected is not given")
    return weight * 1000.0 / left


def _waited(frames: Sequence[Frame], injection: Dataset) -> float:
    """Return the seconds from the injection to the start of the scan."""
    header = frames[0].header
    date = header.text("SeriesDate")
    began = _time(date + header.text("SeriesTime"), "time of the scan")
    first = _time(min(frame.traits.moment for frame in frames), "time of the scan")
    if began > first:
        raise _UnknownError("the series was made after the scan, whose start it does not tell")
    stated = str(injection.get("RadiopharmaceuticalStartDateTime", "") or "")
    zone = _ZONE.search(stated)
    if zone and zone[0] != header.text("TimezoneOffsetFromUTC"):
        raise _UnknownError("the injection's time zone is not known to be the scan's")
    day_time = str(injection.get("RadiopharmaceuticalStartTime", "") or "")
    injected = _time(stated or (date + day_time if day_time else ""), "time of the injection")
    waited = (began - injected).total_seconds()
    if not 0.0 <= waited <= _LONGEST_WAIT_S:
        raise _UnknownError("the times of injection and scan do not fit")
    return waited


def _time(text: str, what: str) -> datetime:
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007  (scanner's clock)
    except ValueError as error:
        raise _UnknownError(f"the {what} is missing") from error


def _number(item: Dataset, keyword: str) -> float:
    try:
        return float(item.get(keyword, None) or 0.0)
    except PARSE_ERRORS:
        return 0.0


def _suv_finding(factor: float, unit: str) -> Finding:
    return Finding(
        rule="scan.suv",
        severity=Severity.INFO,
        title=f"Values are SUV by body weight (stored {unit} × {factor:.4g}).",
        explanation="From the patient's weight, the injected dose and its decay, as the file "
        "gives them.",
        evidence=(Evidence(quantity="SUV factor", measured=factor, expected="", unit="1"),),
    )


def _other_finding(kind: str) -> Finding:
    return Finding(
        rule="scan.other-suv",
        severity=Severity.REVIEW,
        title=f"Values are SUV by {kind}, not by body weight.",
        explanation="Thresholds and models that expect SUV by body weight do not fit this scan.",
    )


def _kept_finding(unit: str, reason: str) -> Finding:
    return Finding(
        rule="scan.no-suv",
        severity=Severity.REVIEW,
        title=f"Values are {unit or 'as stored'}, not SUV, because {reason}.",
        explanation="Thresholds and models that expect SUV do not fit this scan.",
    )
