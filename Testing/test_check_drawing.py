"""The rules about how a structure is drawn: each finds its error and nothing that looks like it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.check import Context, rule_kinds
from MedAssistLib.models import anatomy
from Testing.check_cases import (
    array,
    body,
    body_of,
    changed,
    drawing_findings,
    label_of,
    segment_of,
)
from Testing.check_errors import inject

TWO_VOXELS = 6.0
KINDS = [
    ("missing slice", "Liver", 3.0, "geometry.gaps"),
    ("missing slice", "Left kidney", 6.0, "geometry.gaps"),
    ("copied contour", "Liver", 6.0, "geometry.copies"),
    ("spike", "Spleen", 6.0, "geometry.spikes"),
    ("step", "Liver", 9.0, "geometry.steps"),
    ("island", "Right kidney", 4.0, "geometry.islands"),
    ("hole", "Liver", 4.0, "geometry.holes"),
    ("cut", "Left kidney", 12.0, "geometry.cuts"),
    ("border leak", "Spleen", 4.0, "geometry.border"),
    ("missing structure", "Spleen", 0.0, "geometry.labels"),
]


@pytest.fixture(scope="module")
def healthy() -> tuple[Scan, Segmentation]:
    return body()


def _rules(scan: Scan, segmentation: Segmentation) -> set[str]:
    return {finding.rule for finding in drawing_findings(scan, segmentation)}


def test_correct_organs_are_left_alone(healthy: tuple[Scan, Segmentation]) -> None:
    """A check that cries wolf is switched off."""
    assert drawing_findings(*healthy) == []


@pytest.mark.parametrize("case", KINDS, ids=lambda case: f"{case[0]} of {case[1]}")
@pytest.mark.parametrize("seed", range(3))
def test_an_error_is_found_where_it_is(
    healthy: tuple[Scan, Segmentation], case: tuple[str, str, float, str], seed: int
) -> None:
    scan, correct = healthy
    kind, name, size, rule = case
    rng = np.random.default_rng(seed)
    error = inject(kind, correct, segment_of(correct, name), size, rng)
    assert error is not None
    found = [f for f in drawing_findings(scan, error.segmentation) if f.rule == rule]
    assert [f.structure for f in found] == [name]
    (finding,) = found
    assert finding.title.endswith(".")
    assert finding.explanation.endswith(rule_kinds()[rule].advice)
    assert all(entry.expected for entry in finding.evidence)
    if finding.point is not None:
        assert error.distance(finding.point) <= TWO_VOXELS
        assert _within(finding.point, finding.box)


def _within(point, box) -> bool:
    low, high = box
    return all(a - 1e-6 <= x <= b + 1e-6 for a, x, b in zip(low, point, high, strict=True))


def test_a_tumour_inside_an_organ_is_no_hole(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    holed = inject("hole", correct, segment_of(correct, "Liver"), 6.0, np.random.default_rng(1))
    assert holed is not None
    labels = array(holed.segmentation)
    labels[(labels == 0) & (array(correct) > 0)] = 99
    (tumour,) = anatomy.segments({99: "liver_tumor"})
    made = changed(correct, labels)
    made = Segmentation(labels=made.labels, segments=(*correct.segments, tumour))
    assert drawing_findings(scan, made) == []


def test_metastases_and_cartilages_may_be_in_pieces(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    labels = array(correct)
    for number, (i, j) in enumerate(((10, 20), (14, 30), (90, 12))):
        labels[20 : 22 + number, j : j + 2 + number, i : i + 3] = 98
    for name in ("liver_tumor", "costal_cartilages", "colon"):
        extra = anatomy.segments({98: name})
        made = changed(correct, labels)
        made = Segmentation(labels=made.labels, segments=(*correct.segments, *extra))
        # The pieces are painted over other structures, which is another matter.
        assert _rules(scan, made) <= {"geometry.cuts", "geometry.bites"}, name


def test_half_an_organ_is_no_island(healthy: tuple[Scan, Segmentation]) -> None:
    """An organ in two large pieces, as a pancreas in a thin slab, is a structure of two parts."""
    scan, correct = healthy
    labels = array(correct)
    there = labels == label_of(correct, "Spleen")
    labels[:, :, 80:86][there[:, :, 80:86]] = 0
    assert "geometry.islands" not in _rules(scan, changed(correct, labels))


def test_a_part_at_the_border_may_hang_together_beyond_it(
    healthy: tuple[Scan, Segmentation],
) -> None:
    scan, correct = healthy
    labels = array(correct)
    labels[25:28, 0:3, 40:43] = label_of(correct, "Liver")
    assert _rules(scan, changed(correct, labels)) == set()
    labels = np.roll(labels, 2, axis=1)
    assert _rules(scan, changed(correct, labels)) == {"geometry.islands"}


def test_an_organ_that_the_image_cuts_is_no_leak_and_no_plane(
    healthy: tuple[Scan, Segmentation],
) -> None:
    _, correct = healthy
    window = (slice(4, 40), slice(8, 70), slice(20, 100))
    labels = array(correct)[window]
    grid = sitk.RegionOfInterest(correct.labels, [80, 62, 36], [20, 8, 4])
    assert drawing_findings(*body_of(labels, grid, correct.segments)) == []


def test_labels_from_a_coarser_grid_are_not_copied_contours(
    healthy: tuple[Scan, Segmentation],
) -> None:
    """A model that works at 3 mm gives every contour twice on a scan of 1.5 mm."""
    _, correct = healthy
    coarse = array(correct)
    for axis in range(3):
        fine = np.repeat(coarse, 2, axis=axis)
        spacing = list(correct.labels.GetSpacing())
        spacing[2 - axis] /= 2.0
        grid = sitk.GetImageFromArray(fine)
        grid.SetSpacing(spacing)
        grid.SetOrigin(correct.labels.GetOrigin())
        assert drawing_findings(*body_of(fine, grid, correct.segments)) == []


@pytest.mark.parametrize("through", [True, False])
def test_what_runs_through_others_does_not_leak_into_them(
    healthy: tuple[Scan, Segmentation], through: bool
) -> None:
    """A canal through two vertebrae that nobody named would be told twice."""
    scan, correct = healthy
    segments = anatomy.segments({1: "Label 1", 2: "Label 2", 3: "Label 3"})
    labels = np.zeros_like(array(correct))
    k, j, i = np.ogrid[tuple(map(slice, labels.shape))]
    for label, middle in ((1, 15.8), (2, 30.3)):
        away = ((k - middle) / 6.7) ** 2 + ((j - 30.4) / 11.2) ** 2 + ((i - 60.2) / 12.6) ** 2
        labels[away <= 1.0] = label
    if through:
        labels[6:40][np.broadcast_to((j - 30.4) ** 2 + (i - 60.2) ** 2 < 11.0, (34, 70, 104))] = 3
    else:
        labels[((k - 17) / 14.3) ** 2 + ((j - 30) / 15.4) ** 2 + ((i - 36) / 11.1) ** 2 <= 1.0] = 3
        labels[15:17, 28:31, 40:56] = 3
    made = changed(correct, labels)
    made = Segmentation(labels=made.labels, segments=segments)
    assert ("geometry.bites" in _rules(scan, made)) is not through


def test_a_straight_tube_has_no_copied_contour(healthy: tuple[Scan, Segmentation]) -> None:
    """Catheters and the aorta look alike from slice to slice."""
    scan, correct = healthy
    labels = array(correct)
    section = (labels == label_of(correct, "Left kidney")).sum(axis=0) > 6
    labels[:, np.roll(section, (-36, 12), axis=(0, 1))] = 97
    tube = anatomy.segments({97: "aorta"})
    made = changed(correct, labels)
    made = Segmentation(labels=made.labels, segments=(*correct.segments, *tube))
    assert drawing_findings(scan, made) == []


def test_a_value_without_a_structure_is_told(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    labels = array(correct)
    labels[3:5, 3:5, 3:5] = 77
    (finding,) = drawing_findings(scan, changed(correct, labels))
    assert finding.rule == "geometry.labels"
    assert "77" in finding.title


def test_an_empty_segmentation_is_told_once(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    (finding,) = drawing_findings(scan, changed(correct, np.zeros_like(array(correct))))
    assert finding.severity == "urgent"
    assert finding.title == "The segmentation is empty."


def test_most_of_a_hundred_classes_may_be_elsewhere_in_the_body(
    healthy: tuple[Scan, Segmentation],
) -> None:
    scan, correct = healthy
    absent = anatomy.segments({n: f"elsewhere {n}" for n in range(100, 200)})
    made = Segmentation(labels=correct.labels, segments=(*correct.segments, *absent))
    assert drawing_findings(scan, made) == []


def test_layers_that_overlap_are_told(healthy: tuple[Scan, Segmentation]) -> None:
    scan, correct = healthy
    liver = array(correct) == label_of(correct, "Liver")
    cyst = np.zeros_like(array(correct))
    cyst[18:26, 20:28, 20:28] = 1
    assert liver[18:26, 20:28, 20:28].any()
    layer = changed(correct, cyst)
    other = Segmentation(labels=layer.labels, segments=anatomy.segments({1: "gallbladder"}))
    found = [f for f in drawing_findings(scan, correct, [other]) if f.rule == "geometry.overlap"]
    assert [f.structure for f in found] == ["Liver"]
    same = Segmentation(labels=layer.labels, segments=anatomy.segments({1: "liver"}))
    again = drawing_findings(scan, correct, [same])
    assert "geometry.overlap" not in {f.rule for f in again}, "a second opinion is no overlap"


def test_every_sign_is_about_something_that_is_there(
    healthy: tuple[Scan, Segmentation],
) -> None:
    """Weak signs feed the calibration: their kinds, names and places must be in order."""
    scan, correct = healthy
    context = Context(scan=scan, segmentation=correct)
    names = {"", *(segment.name for segment in correct.segments)}
    seen = 0
    for rule, sign in _signs(context):
        assert sign.rule == rule.name
        assert sign.kind in rule.thresholds
        assert sign.structure in names
        seen += 1
    assert seen > 50


def _signs(context: Context) -> Iterator[tuple]:
    for rule in rule_kinds().values():
        if rule.needs <= context.has:
            for sign in rule.measure(context):
                yield rule, sign
