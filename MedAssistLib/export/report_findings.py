"""Findings as a report tells them: in words, with what was measured, and with a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from MedAssistLib.case import Case, Finding, Point, Segmentation, Severity, State
from MedAssistLib.export.planes import Box, position
from MedAssistLib.export.report_pictures import Picture, in_page
from MedAssistLib.export.report_ranges import Bar, bar_of
from MedAssistLib.export.report_tables import plain, sentence, unit
from MedAssistLib.export.slices import draw_close_up
from MedAssistLib.geometry import box_lps

_SEVERITIES = {
    Severity.URGENT: "urgent",
    Severity.REVIEW: "to review",
    Severity.INFO: "for information",
}


@dataclass(frozen=True)
class Told:
    """A finding as the page holds it.

    Attributes:
        number: Its number in the report, from 1.
        finding: What was found.
        evidence: Sentences about the numbers behind it, each with a bar if it names a range.
        place: Where it is, in words; empty when it has no place.
        picture: The place in the three planes; ``None`` when there is nothing to show.
    """

    number: int
    finding: Finding
    evidence: tuple[tuple[str, Bar | None], ...]
    place: str
    picture: Picture | None


def told(case: Case) -> list[Told]:
    """Return the findings of a case and of its scan, the most important first.

    Raises:
        InputError: If a segmentation does not lie on the scan's grid.
    """
    known = {_what(finding) for finding in case.findings}
    # Reading the scan again finds again what a reviewer may have answered.
    findings = case.findings + tuple(f for f in case.scan.findings if _what(f) not in known)
    return [
        Told(
            number=count,
            finding=finding,
            evidence=tuple(_evidence(finding)),
            place=in_words(finding.point) if finding.point else "",
            picture=_picture(case, finding),
        )
        for count, finding in enumerate(dict.fromkeys(findings), start=1)
    ]


def marks(findings: Iterable[Told]) -> dict[str, Point]:
    """Return the places of the findings that have one, by their number."""
    return {str(entry.number): entry.finding.point for entry in findings if entry.finding.point}


def summary(findings: Sequence[Told]) -> str:
    """Return how many findings of which kind there are, as a sentence or two."""
    kinds = Counter(entry.finding.severity for entry in findings)
    states = Counter(entry.finding.state for entry in findings)
    counted = ", ".join(
        f"{kinds[kind]} {word}" for kind, word in _SEVERITIES.items() if kinds[kind]
    )
    answered = ", ".join(f"{states[state]} {state}" for state in State if states[state])
    some = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return f"{some}: {counted}. Reviewed: {answered}."


def in_words(point: Point) -> str:
    """Return where a point is, such as ``"R 12.0 mm, P 34.5 mm, S 0.0 mm"``."""
    return ", ".join(position(point, axis) for axis in range(3))


def _what(finding: Finding) -> tuple[str, str, str]:
    return finding.rule, finding.title, finding.structure


def _evidence(finding: Finding) -> list[tuple[str, Bar | None]]:
    sentences = []
    for entry in finding.evidence:
        measured = f"{plain(entry.measured)} {unit(entry.unit)}".strip()
        text = f"{sentence(entry.quantity)}: measured {measured}, expected {entry.expected}."
        sentences.append((text, bar_of(entry)))
    return sentences


def _picture(case: Case, finding: Finding) -> Picture | None:
    marked = finding.box or (finding.point and (finding.point, finding.point))
    if not marked:
        return None
    point = finding.point or _middle(marked)
    if not _within(point, box_lps(case.scan.image, (0, 0, 0), case.scan.image.GetSize())):
        return None
    drawn = _drawn(case, finding.structure)
    outlined = ", ".join(segment.name for segment in drawn.segments) if drawn else ""
    alt = f"Axial, coronal and sagittal plane at {in_words(point)}, with the place in a frame"
    alt += f" and outlines of: {outlined}." if outlined else "."
    return in_page(draw_close_up(case.scan, drawn, point, marked), alt)


def _drawn(case: Case, structure: str) -> Segmentation | None:
    """Return what is outlined: the structure that a finding is about, or all there are."""
    for made in reversed(case.segmentations):
        own = tuple(segment for segment in made.segments if segment.name == structure)
        if own:
            return Segmentation(labels=made.labels, segments=own, made_by=made.made_by)
    return case.segmentations[-1] if case.segmentations else None


def _middle(box: Box) -> Point:
    (x0, y0, z0), (x1, y1, z1) = box
    return (x0 + x1) / 2.0, (y0 + y1) / 2.0, (z0 + z1) / 2.0


def _within(point: Point, box: Box) -> bool:
    low, high = box
    return all(a <= p <= b for a, p, b in zip(low, point, high, strict=True))
