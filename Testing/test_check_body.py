"""The rules about a body: sides, order from head to foot, symmetry; each fires and holds still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan, Segment, Segmentation, Severity
from MedAssistLib.check.body import pairs, rows, side
from MedAssistLib.check.context import structures
from MedAssistLib.models import anatomy
from Testing.check_cases import array, body, changed, drawing_findings, label_of, segment_of
from Testing.check_errors import swapped


@pytest.fixture(scope="module")
def healthy() -> tuple[Scan, Segmentation]:
    return body()


def _of(rule: str, found: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.rule == rule]


def _without(segmentation: Segmentation, name: str) -> Segmentation:
    """Return the segmentation as if the structure were none that anybody looked for."""
    labels = array(segmentation)
    labels[labels == label_of(segmentation, name)] = 0
    kept = tuple(s for s in segmentation.segments if s.name != name)
    return replace(changed(segmentation, labels), segments=kept)


@pytest.mark.parametrize(
    ("first", "second"), [("Left kidney", "Right kidney"), ("Left rib 9", "Right rib 9")]
)
def test_exchanged_sides_are_urgent(
    healthy: tuple[Scan, Segmentation], first: str, second: str
) -> None:
    scan, correct = healthy
    error = swapped(correct, segment_of(correct, first), segment_of(correct, second))
    (finding,) = _of("anatomy.sides", drawing_findings(scan, error.segmentation))
    assert finding.structure == first
    assert finding.severity is Severity.URGENT
    assert error.distance(finding.point) < 6.0 or "rib" in first
    low, high = np.array(finding.box)
    inside = ((error.changed >= low - 1.5) & (error.changed <= high + 1.5)).all(axis=1)
    assert inside.all(), "the box holds both structures"


def test_a_single_organ_on_the_wrong_side_is_told(healthy: tuple[Scan, Segmentation]) -> None:
    """A spleen that was called liver has no partner of the same name, but a side."""
    scan, correct = healthy
    error = swapped(correct, segment_of(correct, "Liver"), segment_of(correct, "Spleen"))
    found = _of("anatomy.sides", drawing_findings(scan, error.segmentation))
    assert [finding.structure for finding in found] == ["Spleen"]


def test_a_mirrored_body_is_one_finding_and_not_six(healthy: tuple[Scan, Segmentation]) -> None:
    """A lost sign in a header turns the whole patient; one sentence says so."""
    scan, correct = healthy
    mirrored = changed(correct, array(correct)[:, :, ::-1].copy())
    (finding,) = _of("anatomy.sides", drawing_findings(scan, mirrored))
    assert finding.structure == ""
    assert "throughout" in finding.title
    assert len(finding.evidence) == 4


def test_exchanged_vertebrae_are_told(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    first, second = (segment_of(correct, f"Vertebrae {level}") for level in ("T12", "L1"))
    error = swapped(correct, first, second)
    found = _of("anatomy.order", drawing_findings(scan, error.segmentation))
    assert {finding.structure for finding in found} == {"Vertebrae T12"}
    assert all(error.distance(finding.point) < 3.0 for finding in found)


def test_exchanged_ribs_are_told_though_ribs_slope(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    first, second = segment_of(correct, "Left rib 9"), segment_of(correct, "Left rib 10")
    error = swapped(correct, first, second)
    (finding,) = _of("anatomy.order", drawing_findings(scan, error.segmentation))
    assert finding.structure == "Left rib 9"


def test_half_a_rib_is_still_in_order(healthy: tuple[Scan, Segmentation]) -> None:
    """In a slab only the low front end of the upper rib may show beside the whole lower one."""
    scan, correct = healthy
    labels = array(correct)
    upper = labels == label_of(correct, "Left rib 9")
    labels[:, 38:][upper[:, 38:]] = 0
    assert _of("anatomy.order", drawing_findings(scan, changed(correct, labels))) == []


def test_a_level_that_was_skipped_is_told_where_it_would_be(
    healthy: tuple[Scan, Segmentation],
) -> None:
    scan, correct = healthy
    (finding,) = drawing_findings(scan, _without(correct, "Vertebrae T12"))
    assert finding.rule == "anatomy.order"
    assert "a vertebra is missing" in finding.title
    centre = next(s for s in structures(correct) if s.name == "Vertebrae T12").centroid
    assert np.linalg.norm(np.subtract(finding.point, centre)) < 5.0


def test_a_spine_that_the_image_ends_is_complete(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    assert drawing_findings(scan, _without(correct, "Vertebrae T11")) == []


def test_a_lost_partner_is_told_where_it_would_be(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    (finding,) = drawing_findings(scan, _without(correct, "Right kidney"))
    assert (finding.rule, finding.structure) == ("anatomy.symmetry", "Left kidney")
    missing = next(s for s in structures(correct) if s.name == "Right kidney").centroid
    assert np.linalg.norm(np.subtract(finding.point, missing)) < 15.0


def test_a_partner_outside_the_image_is_not_lost(healthy: tuple[Scan, Segmentation]) -> None:
    """A scan of the left flank shows one kidney."""
    scan, correct = healthy
    low = 58
    labels = array(_without(correct, "Right kidney"))[:, :, low:]
    image = sitk.RegionOfInterest(scan.image, [104 - low, 70, 50], [low, 0, 0])
    drawn = sitk.GetImageFromArray(labels)
    drawn.CopyInformation(image)
    made = replace(correct, labels=drawn)
    made = replace(made, segments=tuple(s for s in made.segments if "kidney" not in s.name.lower()
                                        or s.name.startswith("Left")))  # fmt: skip
    found = drawing_findings(replace(scan, image=image), made)
    assert _of("anatomy.symmetry", found) == []


def test_a_shrunken_partner_is_told(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    labels = array(correct)
    kidney = labels == label_of(correct, "Right kidney")
    labels[:14][kidney[:14]] = 0
    made = drawing_findings(scan, changed(correct, labels))
    (finding,) = _of("anatomy.symmetry", made)
    assert finding.structure == "Right kidney"
    assert finding.evidence[0].expected == "at most 2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kidney_left", "left"),
        ("Right kidney", "right"),
        ("Kidney R", "right"),
        ("L kidney", "left"),
        ("Vertebrae L1", ""),
        ("liver", ""),
        ("left right thing", ""),
    ],
)
def test_a_side_is_read_from_codes_and_words(name: str, expected: str) -> None:
    assert side(Segment(label=1, name=name, colour=(0, 0, 0))) == expected


def test_pairs_and_rows_are_known_by_code_and_by_name(healthy: tuple[Scan, Segmentation]) -> None:
    """A person's own names and a model's codes mean the same body."""
    _, correct = healthy
    plain = tuple(Segment(label=s.label, name=s.name, colour=s.colour) for s in correct.segments)
    for made in (correct, replace(correct, segments=plain)):
        there = structures(made)
        named = {(pair.left.name, pair.right.name) for pair in pairs(there)}
        assert named == {
            ("Left kidney", "Right kidney"),
            ("Left rib 9", "Right rib 9"),
            ("Left rib 10", "Right rib 10"),
        }
        ranks = {tuple(level.rank for level in row) for row in rows(there).values()}
        assert ranks == {(18, 19, 20, 21), (9, 10)}


def test_totalsegmentators_whole_spine_rib_cage_and_lungs_are_rows() -> None:
    names = [f"vertebrae_{level}" for level in ("C1", "C7", "T1", "T12", "L1", "L5", "S1")]
    names += ["rib_left_1", "rib_left_12", "lung_upper_lobe_left", "lung_lower_lobe_left"]
    labels = np.zeros((30, 3, 3), dtype=np.uint8)
    for number in range(1, len(names) + 1):
        labels[2 * number] = number
    made = Segmentation(
        labels=sitk.GetImageFromArray(labels),
        segments=anatomy.segments(dict(enumerate(names, 1))),
    )
    found = {tuple(level.rank for level in row) for row in rows(structures(made)).values()}
    assert found == {(1, 7, 8, 19, 20, 24, 25), (1, 12), (1, 3)}
