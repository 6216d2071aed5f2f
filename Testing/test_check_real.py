"""The check on real labels: quiet on correct ones, loud on errors, right about the place."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.check import Context, calibrate, measured
from MedAssistLib.check.merge import findings_of
from MedAssistLib.models import anatomy
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from Testing.check_cases import DRAWING, array, body_of, drawing_findings, renamed_as
from Testing.check_errors import inject

_CLASSES = Path(anatomy.__file__).parent / "formats" / "totalsegmentator.json"
HIPPOCAMPUS = {1: "Anterior hippocampus", 2: "Posterior hippocampus"}


@pytest.fixture(scope="module")
def hippocampi(shared_data: Path) -> list[tuple[Scan, Segmentation]]:
    """40 labelled hippocampi."""
    folder = shared_data / "hippocampus"
    cases = []
    for path in sorted((folder / "imagesTr").glob("hippocampus_*.nii.gz"))[:160:4]:
        scan = read_scan(path, ReadOptions(modality="MR"))
        made = read_segmentation(folder / "labelsTr" / path.name, scan)
        cases.append((scan, renamed_as(made, HIPPOCAMPUS)))
    return cases


@pytest.fixture(scope="module")
def trunk(shared_data: Path) -> tuple[Scan, Segmentation]:
    """CT of the trunk with 41 of TotalSegmentator's classes."""
    scan = read_scan(shared_data / "ct" / "example_ct_sm.nii.gz", ReadOptions(modality="CT"))
    made = read_segmentation(shared_data / "ct" / "example_seg.nii.gz", scan)
    classes = json.loads(_CLASSES.read_text("utf-8"))["classes"]["total"]
    return scan, renamed_as(made, dict(enumerate(classes, 1)))


def test_correct_hippocampi_are_left_alone(
    hippocampi: list[tuple[Scan, Segmentation]],
) -> None:
    """Without any calibration: at most one false finding in twenty cases."""
    assert sum(len(drawing_findings(*case)) for case in hippocampi) <= len(hippocampi) / 20


def test_a_correct_trunk_is_left_alone(trunk: tuple[Scan, Segmentation]) -> None:
    """41 structures, most of them cut by the ends of the slab."""
    assert drawing_findings(*trunk) == []


def test_mixed_up_vertebrae_in_a_published_segmentation_are_found(shared_data: Path) -> None:
    """In this example of TotalSegmentator, parts of one vertebra are labelled as its neighbour."""
    scan = read_scan(shared_data / "dicom" / "ct_abdomen_20slices")
    made = read_segmentation(shared_data / "ct" / "example_seg_dicom.nii.gz", scan)
    classes = json.loads(_CLASSES.read_text("utf-8"))["classes"]["total"]
    found = drawing_findings(scan, renamed_as(made, dict(enumerate(classes, 1))))
    assert {finding.structure for finding in found} == {"Vertebrae T11", "Vertebrae T12"}


@pytest.mark.parametrize(
    ("kind", "size", "least"),
    [
        ("missing slice", 1.0, 0.95),
        ("island", 2.0, 0.95),
        ("hole", 1.0, 0.95),
        ("spike", 2.0, 0.9),
        ("copied contour", 3.0, 0.85),
        ("leak", 4.0, 0.65),
        ("border leak", 1.0, 0.8),
        ("missing structure", 0.0, 1.0),
    ],
)
def test_errors_in_hippocampi_are_found(
    hippocampi: list[tuple[Scan, Segmentation]], kind: str, size: float, least: float
) -> None:
    rng = np.random.default_rng(6)
    hits, away = [], []
    for scan, made in hippocampi[:20]:
        error = inject(kind, made, made.segments[int(rng.integers(2))], size, rng)
        if error is None:
            continue
        found = [f for f in drawing_findings(scan, error.segmentation) if f.structure in
                 error.affected]  # fmt: skip
        hits.append(bool(found))
        away += [error.distance(f.point) for f in found[:1] if f.point]
    assert len(hits) >= 18
    assert np.mean(hits) >= least
    assert not away or np.median(away) <= 3.0


def test_a_calibration_on_real_cases_finds_what_no_fixed_threshold_can(
    hippocampi: list[tuple[Scan, Segmentation]],
) -> None:
    """A boundary too far out by 2 mm, or smoothed over: odd only beside correct ones."""
    clean = [list(measured(Context(scan=s, segmentation=g), DRAWING)) for s, g in hippocampi]
    known, unseen = clean[:28], clean[28:]
    calibration = calibrate(known, DRAWING, HIPPOCAMPUS.values(), 0.3)
    false = [len(findings_of(signs, DRAWING, calibration)) for signs in unseen]
    assert np.mean(false) <= 0.3
    rng = np.random.default_rng(1)
    for kind, size in (("dilation", 2.0), ("erosion", 2.0), ("smoothed", 2.0)):
        found = 0
        for scan, made in hippocampi[28:]:
            error = inject(kind, made, made.segments[int(rng.integers(2))], size, rng)
            assert error is not None
            context = Context(scan=scan, segmentation=error.segmentation)
            told = findings_of(measured(context, DRAWING), DRAWING, calibration)
            found += any(finding.structure in error.affected for finding in told)
        assert found >= 0.6 * len(unseen), kind


def test_a_large_scan_fits_into_an_ordinary_machine(trunk: tuple[Scan, Segmentation]) -> None:
    """Memory grows with the structures' boxes, not with structures times the scan."""
    _, made = trunk
    labels = np.kron(array(made), np.ones((2, 2, 2), dtype=np.uint8))
    grid = sitk.Image([int(n) for n in labels.shape[::-1]], sitk.sitkUInt8)
    grid.SetSpacing([s / 2 for s in made.labels.GetSpacing()])
    scan, fine = body_of(labels, grid, made.segments)
    tracemalloc.start()
    drawing_findings(scan, fine)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 40 * labels.nbytes
