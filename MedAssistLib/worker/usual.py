"""What the structures of a case usually measure in people like this one, as reports draw it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from MedAssistLib.case import Case
from MedAssistLib.check.body import side
from MedAssistLib.check.context import Context
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.ranges import SHIPPED, VOLUME, Range, read_ranges
from MedAssistLib.check.structure import Structure
from MedAssistLib.export.report_ranges import ReferenceRange

_CUBIC_MM = {"mL": 1000.0, "mm3": 1.0}
_ML = 1000.0
# A structure without a side may be both.
_SIDES = {"left": ("left",), "right": ("right",), "": ("", "both")}


def usual_volumes(
    case: Case, age: float | None, sex: str, own: Path | None = None
) -> tuple[ReferenceRange, ...]:
    """Return the reference range of each structure's volume, if something of the person is known.

    Of several the one is taken that fits the volume best, as the check does. A structure that the
    scan cuts off has none, because its volume is not all of it.

    Args:
        case: The case.
        age: Years; ``None`` if not known.
        sex: ``"F"``, ``"M"``, or empty if not known.
        own: File of reference ranges to take before those that come with MedAssist.

    Raises:
        InputError: If that file cannot be read.
        UsageError: If age or sex make no sense.
    """
    if not case.segmentations or (age is None and not sex and own is None):
        return ()
    options = CheckOptions(age=age, sex=sex, reference_ranges=own)
    drawn = Context(
        scan=case.scan, segmentation=case.segmentations[0], layers=case.segmentations[1:]
    )
    whole = [structure for structure in drawn.structures if not structure.cut]
    return tuple(found for structure in whole for found in _usual(structure, options))


def _usual(structure: Structure, options: CheckOptions) -> Iterator[ReferenceRange]:
    own = read_ranges(options.reference_ranges) if options.reference_ranges else ()
    shipped = read_ranges(SHIPPED) if options.age is not None or options.sex else ()
    for ranges in (own, shipped):
        fitting = [entry for entry in ranges if _fits(entry, structure, options)]
        if fitting:
            nearest = min(fitting, key=lambda entry: _distance(entry, structure))
            low, high = (value * _CUBIC_MM[nearest.unit] / _ML for value in nearest.usual())
            yield ReferenceRange(
                structure=structure.name,
                quantity=VOLUME,
                low=low,
                high=high,
                unit="mL",
                source=f"{nearest.population} ({nearest.source})".strip(),
            )
            return


def _fits(entry: Range, structure: Structure, options: CheckOptions) -> bool:
    return (
        entry.quantity == VOLUME
        and entry.fits(options.sex, options.age)
        and entry.is_about(structure.segment)
        and entry.side in _SIDES[side(structure.segment)]
    )


def _distance(entry: Range, structure: Structure) -> float:
    if entry.limits is not None:
        return 0.0
    return abs(entry.z_score(structure.volume / _CUBIC_MM[entry.unit]))
