"""What leaves open which images make a volume, as findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.read.dicom.frames import ORDERED_BY, Frame, moment
from MedAssistLib.read.dicom.oddities import WIDE_RULE, centre_of, counted, named, point_of

_DUPLICATES, _GAP, _RANKS = "scan.duplicate-slices", "scan.gap", "scan.uncertain-parts"
_LEFT_OUT = "scan.left-out-images"

UNCERTAIN_RULES = frozenset({_DUPLICATES, _GAP, _RANKS, _LEFT_OUT, WIDE_RULE})
"""What a strict reader refuses, though the slices that are there are a regular block."""


def copies_finding(dropped: Sequence[Frame]) -> Finding:
    """Return the finding that second files of the same images were left out."""
    return _duplicates(
        dropped,
        "They carry the number (SOP Instance UID) of an image in the same place; of each the "
        "first was kept. Their pixels were not compared.",
    )


def duplicates_finding(places: Sequence[Sequence[Frame]]) -> Finding:
    """Return the finding that slices were left out because their places were taken.

    Args:
        places: The frames of each place that has several, the one that was kept first.
    """
    dropped = [frame for place in places for frame in place[1:]]
    reasons = dict.fromkeys(_reason(place[0], frame) for place in places for frame in place[1:])
    kept = " or ".join(reasons)
    return _duplicates(dropped, f"No attribute parts them into volumes. The one {kept} was kept.")


def _reason(kept: Frame, other: Frame) -> str:
    if kept.traits.kind != other.traits.kind:
        return "of the more usual image type"
    parts = zip(ORDERED_BY, moment(kept), moment(other), strict=True)
    return next((f"with the first {word}" for word, a, b in parts if a != b), "found first")


def _duplicates(dropped: Sequence[Frame], explanation: str) -> Finding:
    places = named([frame.position for frame in dropped], dropped[0])
    return Finding(
        rule=_DUPLICATES,
        severity=Severity.REVIEW,
        title=f"{counted(len(dropped))} in a place that is taken, at {places}.",
        explanation=explanation,
        point=point_of(centre_of(dropped[0])),
        evidence=(
            Evidence(quantity="slices left out", measured=len(dropped), expected="0", unit="1"),
        ),
    )


def ranks_finding(counts: Iterable[int]) -> Finding:
    """Return the finding that only their order told images of one place apart.

    Args:
        counts: How many images the places hold.
    """
    low, high = min(counts), max(counts)
    if low == high:
        title = "Only the order of the images tells the time points apart."
    else:
        title = f"Places hold from {low} to {high} images; time points may be mixed."
    return Finding(
        rule=_RANKS,
        severity=Severity.REVIEW,
        title=title,
        explanation="No attribute of the files says which images belong together, so the first of "
        "each place were taken, then the second. Export the series again, or part it before.",
        evidence=(
            Evidence(quantity="images in a place", measured=low, expected=str(high), unit="1"),
        ),
    )


def disputed_finding() -> Finding:
    """Return the finding that attributes disagree about which images belong together."""
    return Finding(
        rule=_RANKS,
        severity=Severity.REVIEW,
        title="Two attributes of the files part the images differently into volumes.",
        explanation="The volumes follow one of them. Check that none jumps between its slices.",
    )


def gap_finding(widest: float) -> Finding:
    """Return the finding that a gap parts a series, ``widest`` in mm."""
    return Finding(
        rule=_GAP,
        severity=Severity.REVIEW,
        title=f"The series has a gap of {widest:.1f} mm; the parts are volumes of their own.",
        explanation="Nothing can be interpolated across so wide a gap. Slices may be missing.",
        evidence=(Evidence(quantity="gap", measured=widest, expected="0", unit="mm"),),
    )


def left_out_finding(count: int) -> Finding:
    """Return the finding that images of a volume's series are in none of its volumes."""
    some = "One image" if count == 1 else f"{count} images"
    return Finding(
        rule=_LEFT_OUT,
        severity=Severity.REVIEW,
        title=f"{some} of this series {'was' if count == 1 else 'were'} left out.",
        explanation="They have no place, or stand alone by their size, direction, spacing or "
        "place; slices may be missing at the ends. See what medassist read --list says.",
        evidence=(Evidence(quantity="images left out", measured=count, expected="0", unit="1"),),
    )
