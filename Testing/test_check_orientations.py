"""However a scan is stored, the same is found in the same place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check import Context, finding_id, measured
from MedAssistLib.check.merge import told
from MedAssistLib.check.rule import Sign
from MedAssistLib.check.thresholds import NOT_CALIBRATED
from Testing import orientations
from Testing.check_cases import (
    DRAWING,
    array,
    body,
    changed,
    drawing_findings,
    segment_of,
    stored,
)
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
    words = (finding.rule, finding.structure, finding.severity, finding.title, finding_id(finding))
    return (*words, place, box, numbers, round(finding.confidence, 4))


@pytest.fixture(scope="module")
def expected(wrong: tuple[Scan, Segmentation]) -> list[tuple]:
    found = drawing_findings(*wrong)
    rules = {"cuts", "border", "copies", "gaps", "holes", "islands", "labels", "spikes", "steps"}
    spoken = {finding.rule for finding in found}
    assert {f"geometry.{rule}" for rule in rules} | {"anatomy.sides"} <= spoken
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
    tilted = (replace(scan, image=turned[0]), replace(made, labels=turned[1]))
    before, after = ({s.title: s for s in _told(*case)} for case in ((scan, made), tilted))
    assert before.keys() == after.keys()
    for title, sign in before.items():
        if sign.place is not None:
            apart = np.linalg.norm(matrix @ sign.place.point - after[title].place.point)
            assert apart < 6.0, f"{title}: of places as good, LPS decides, up to two voxels"


def _told(scan: Scan, made: Segmentation) -> list[Sign]:
    """Return the signs about the drawing that are told, before they are merged."""
    signs = measured(Context(scan=scan, segmentation=made), DRAWING)
    kept = (sign for sign in signs if told(sign, DRAWING, NOT_CALIBRATED))
    return [sign for sign in kept if sign.rule.startswith("geometry.")]


def test_weak_signs_do_not_depend_on_storage_either(wrong: tuple[Scan, Segmentation]) -> None:
    """They set the thresholds of a calibration."""
    first = _scores(*wrong)
    assert len(first) > 100
    for order, flips in orientations.ALL[5::9]:
        assert _scores(*stored(*wrong, order, flips)) == first


def _scores(scan: Scan, made: Segmentation) -> list[tuple]:
    context = Context(scan=scan, segmentation=made)
    signs = measured(context, DRAWING)
    return sorted((s.rule, s.kind, s.structure, float(f"{s.score:.5g}")) for s in signs)
