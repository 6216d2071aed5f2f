"""However a scan is stored, the same is found in the same place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check import Context, finding_id
from MedAssistLib.check.rule import Sign
from MedAssistLib.check.rules import rule_kinds
from Testing import orientations
from Testing.check_cases import array, body, changed, drawing_findings, segment_of, stored
from Testing.check_errors import inject, swapped

ERRORS = [
    ("missing slice", "Left kidney", 3.0),
    ("copied contour", "Liver", 12.0),
    ("spike", "Spleen", 6.0),
    ("step", "Right kidney", 9.0),
    ("island", "Right kidney", 4.0),
    ("hole", "Liver", 5.0),
    ("cut", "Vertebrae L1", 9.0),
    ("border leak", "Vertebrae T11", 2.0),
]


@pytest.fixture(scope="module")
def wrong() -> tuple[Scan, Segmentation]:
    """A body with an error of nearly every kind."""
    scan, made = body()
    rng = np.random.default_rng(5)
    for kind, name, size in ERRORS:
        error = inject(kind, made, segment_of(made, name), size, rng)
        assert error is not None, kind
        made = error.segmentation
    ribs = (segment_of(made, "Left rib 9"), segment_of(made, "Right rib 9"))
    made = swapped(made, *ribs).segmentation
    labels = array(made)
    labels[1:3, 1:3, 1:3] = 90
    return scan, changed(made, labels)


def _seen(finding: Finding) -> tuple:
    place = () if finding.point is None else tuple(np.round(finding.point, 3) + 0.0)
    box = () if finding.box is None else tuple(np.round(finding.box, 3).ravel() + 0.0)
    numbers = tuple(float(f"{entry.measured:.4g}") for entry in finding.evidence)
    told = (finding.rule, finding.structure, finding.severity, finding.title, finding_id(finding))
    return (*told, place, box, numbers, round(finding.confidence, 4))


@pytest.fixture(scope="module")
def expected(wrong: tuple[Scan, Segmentation]) -> list[tuple]:
    found = drawing_findings(*wrong)
    rules = {"cuts", "border", "copies", "gaps", "holes", "islands", "labels", "spikes", "steps"}
    told = {finding.rule for finding in found}
    assert {f"geometry.{rule}" for rule in rules} | {"anatomy.sides"} <= told
    return sorted(map(_seen, found))


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[1:])
def test_storage_changes_nothing(
    wrong: tuple[Scan, Segmentation],
    expected: list[tuple],
    order: tuple[int, ...],
    flips: tuple[bool, ...],
) -> None:
    assert sorted(map(_seen, drawing_findings(*stored(*wrong, order, flips)))) == expected


def test_a_tilted_scan_is_checked_along_its_own_slices(wrong: tuple[Scan, Segmentation]) -> None:
    """An oblique scan: the same findings, each turned with the scan."""
    scan, made = wrong
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.15, -0.1, 0.12)
    matrix = np.array(turn.GetMatrix()).reshape(3, 3)
    turned = []
    for image in (scan.image, made.labels):
        copy = sitk.Image(image)
        copy.SetDirection(turn.GetMatrix())
        copy.SetOrigin(tuple(matrix @ image.GetOrigin()))
        turned.append(copy)
    found = drawing_findings(replace(scan, image=turned[0]), replace(made, labels=turned[1]))
    before = [f for f in drawing_findings(scan, made) if f.rule.startswith("geometry.")]
    after = [f for f in found if f.rule.startswith("geometry.")]
    assert sorted(f.title for f in after) == sorted(f.title for f in before)
    points = np.array(sorted(f.point for f in after))
    moved = np.array(sorted(tuple(matrix @ f.point) for f in before))
    assert np.abs(points - moved).max() < 6.0, "of places as good, LPS decides: up to two voxels"


def test_weak_signs_do_not_depend_on_storage_either(wrong: tuple[Scan, Segmentation]) -> None:
    """They set the thresholds of a calibration."""
    first = _scores(*wrong)
    assert len(first) > 100
    for order, flips in orientations.ALL[5::9]:
        assert _scores(*stored(*wrong, order, flips)) == first


def _scores(scan: Scan, made: Segmentation) -> list[tuple]:
    context = Context(scan=scan, segmentation=made)
    names = ("geometry.", "anatomy.", "shape.")
    kinds = [rule for rule in rule_kinds().values() if rule.name.startswith(names)]
    signs: list[Sign] = [sign for rule in kinds for sign in rule.measure(context)]
    return sorted((s.rule, s.kind, s.structure, float(f"{s.score:.5g}")) for s in signs)
