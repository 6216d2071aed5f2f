"""The rules about the values inside a structure: on a made-up belly, real CT, the hippocampus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.check import check
from MedAssistLib.check.context import Context, structures
from MedAssistLib.check.edges import patches
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.check.thresholds import Calibration
from MedAssistLib.check.tissue import mixed
from MedAssistLib.models import anatomy
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from Testing import check_damage as spoil
from Testing import orientations

_RULES = sorted(name for name in rule_kinds() if name.startswith("intensity."))
_NAMES = {1: "liver", 2: "iliopsoas_left", 3: "lung_left"}


@pytest.fixture(scope="module")
def belly() -> tuple[Scan, Segmentation]:
    """Three balls in fat, 3 mm voxels: a liver of 60, a muscle of 50, a lung of -800 HU."""
    grid = np.indices((40, 60, 70)).astype(float)
    labels = np.zeros(grid.shape[1:], dtype=np.uint8)
    for label, centre, radius in (
        (1, (20, 30, 18), 14),
        (2, (20, 14, 48), 9),
        (3, (20, 44, 48), 12),
    ):
        away = sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True))
        labels[away <= radius**2] = label
    values = np.choose(labels, (-100.0, 60.0, 50.0, -800.0))
    soft = ndimage.gaussian_filter(values, 0.6)
    noise = np.random.default_rng(8).normal(0.0, 15.0, soft.shape)
    image = sitk.GetImageFromArray((soft + noise).round().astype(np.int16))
    image.SetSpacing((3.0, 3.0, 3.0))
    drawn = geometry.from_array(labels, image)
    return (
        Scan(image=image, modality="CT", name="belly"),
        Segmentation(labels=drawn, segments=anatomy.segments(_NAMES), made_by="test"),
    )


def _array(segmentation: Segmentation) -> np.ndarray:
    return sitk.GetArrayFromImage(segmentation.labels)


def _changed(segmentation: Segmentation, labels: np.ndarray) -> Segmentation:
    return replace(segmentation, labels=geometry.from_array(labels, segmentation.labels))


def test_a_correct_drawing_raises_nothing(belly):
    for rule in _RULES:
        assert not spoil.told(*_with(belly, rule)), rule


def _with(case: tuple[Scan, Segmentation], rule: str) -> tuple[Scan, str, Segmentation]:
    return case[0], rule, case[1]


@pytest.fixture(scope="module")
def slab(shared_data: Path) -> tuple[Scan, Segmentation]:
    """Nine centimetres of a real CT with 41 structures of the reference segmentation."""
    scan = read_scan(shared_data / "ct" / "example_ct_sm.nii.gz", ReadOptions(modality="CT"))
    return scan, read_segmentation(shared_data / "ct" / "example_seg.nii.gz", scan)


def test_the_edges_of_a_real_reference_raise_nothing(slab):
    assert not spoil.told(*_with(slab, "intensity.edge"))


def test_a_muscle_drawn_in_fat_is_told_with_the_published_range(belly):
    scan, segmentation = belly
    labels = _array(segmentation)
    moved = np.where(labels == 2, 0, labels)
    moved[4:12, 4:12, 4:12] = 2
    wrong = _changed(segmentation, moved)
    (sign,) = [s for s in spoil.signs(scan, "intensity.range", wrong) if s.kind == "published"]
    assert sign.structure == "Left iliopsoas"
    assert sign.score == pytest.approx(-29.0 + 100.0, abs=10.0)
    assert "-29 to 150 HU" in sign.title
    assert "doi:10." in sign.explanation


def test_a_learned_range_is_told_above_and_below(belly):
    """The limits come with the calibration; without one nothing is learned and nothing told."""
    scan, segmentation = belly
    found = {s.kind: s.score for s in spoil.signs(scan, "intensity.range", segmentation)
             if s.structure == "Liver"}  # fmt: skip
    limits = {kind: {"Liver": found[kind] + 20.0} for kind in ("bright-ct", "dark-ct")}
    learned = CheckOptions(
        calibration=Calibration(rate=0.2, cases=30, limits={"intensity.range": limits})
    )
    for shift, word in ((0.0, ""), (-60.0, "dark"), (60.0, "bright")):
        other = spoil.with_values(scan, spoil.values_of(scan) + shift)
        titles = [f.title for f in check(other, segmentation, learned) if f.structure == "Liver"
                  and f.rule == "intensity.range"]  # fmt: skip
        assert [f"unusually {word}" in title for title in titles] == [True] * bool(word)
    assert not [f for f in check(scan, segmentation) if f.rule == "intensity.range"]


def test_a_liver_that_runs_into_the_lung_is_told_where(belly):
    scan, segmentation = belly
    labels = _array(segmentation)
    lung = labels == 3
    lung[:, :, 50:] = False
    wrong = _changed(segmentation, np.where(lung, 1, labels))
    (sign,) = [s for s in spoil.signs(scan, "intensity.range", wrong) if s.kind == "piece"]
    assert sign.score > rule_kinds()["intensity.range"].thresholds["piece"].value
    k, j, i = np.argwhere(lung).mean(axis=0)
    centre = scan.image.TransformContinuousIndexToPhysicalPoint((i, j, k))
    assert np.linalg.norm(np.subtract(sign.place.point, centre)) < 12.0
    assert "mixture" in spoil.told(scan, "intensity.mixture", wrong)


def test_a_single_wrong_layer_of_voxels_is_no_piece(belly):
    """The border of every structure holds mixed voxels."""
    scan, segmentation = belly
    labels = _array(segmentation)
    grown = ndimage.binary_dilation(labels == 1)
    wrong = _changed(segmentation, np.where(grown & (labels == 0), 1, labels))
    assert "piece" not in spoil.scores(scan, "intensity.range", wrong)


def test_noise_is_not_two_tissues(belly):
    scan, segmentation = belly
    loud = spoil.noisy(scan, 80.0)
    assert not spoil.told(loud, "intensity.mixture", segmentation)


def test_a_hollow_organ_may_hold_two_tissues(belly):
    scan, segmentation = belly
    values = spoil.values_of(scan)
    values[:, :22][_array(segmentation)[:, :22] == 1] = -900.0
    half = spoil.with_values(scan, values)
    assert "mixture" in spoil.told(half, "intensity.mixture", segmentation)
    names = {1: "stomach", 2: "iliopsoas_left", 3: "lung_left"}
    stomach = replace(segmentation, segments=anatomy.segments(names))
    assert not spoil.told(half, "intensity.mixture", stomach)


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("rib_left_9", True),
        ("vertebrae_L1", True),
        ("colon", True),
        ("Hip left", True),
        ("hippocampus", False),
        ("liver", False),
        ("aorta", False),
        ("anything", False),
    ],
)
def test_bones_and_hollow_organs_are_known_by_code_or_name(name, several):
    assert mixed(anatomy.segments({1: name})[0]) is several


@pytest.mark.parametrize("change", ["shifted", "grown", "shrunk"])
def test_a_boundary_off_the_edge_is_told(belly, change):
    scan, segmentation = belly
    labels = _array(segmentation)
    liver = labels == 1
    moved = {
        "shifted": np.roll(liver, 2, axis=2),
        "grown": ndimage.binary_dilation(liver, iterations=2),
        "shrunk": ndimage.binary_erosion(liver, iterations=2),
    }[change]
    wrong = _changed(segmentation, np.where(moved, 1, np.where(liver, 0, labels)))
    clean, found = (
        next(s for s in spoil.signs(scan, "intensity.edge", drawn) if s.structure == "Liver")
        for drawn in (segmentation, wrong)
    )
    assert found.score > 3.0 * clean.score
    assert found.evidence[1].measured > clean.evidence[1].measured


def test_the_surface_between_two_structures_needs_no_edge(belly):
    """Parts of one organ, such as lobes, look alike in the scan."""
    scan, segmentation = belly
    labels = _array(segmentation)
    parted = np.where((labels == 1) & (np.indices(labels.shape)[2] > 18), 2, labels)
    drawn = _changed(segmentation, parted)
    assert not spoil.told(scan, "intensity.edge", drawn)


def test_a_structure_at_the_border_of_the_scan_is_measured_within_it(belly):
    scan, segmentation = belly
    part = replace(scan, image=scan.image[18:, :, :])
    drawn = replace(segmentation, labels=segmentation.labels[18:, :, :])
    context = Context(scan=part, segmentation=drawn)
    liver = context.structures[0]
    found = patches(liver, context.voxels, context.labels)
    assert liver.cut
    assert found is not None
    assert not spoil.told(part, "intensity.edge", drawn)


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[::9])
def test_scores_hardly_depend_on_how_the_scan_is_stored(belly, order, flips):
    """The patches of a surface are cut from its first voxel on, wherever that is."""
    scan, segmentation = belly
    other = replace(scan, image=orientations.stored(scan.image, order, flips))
    drawn = replace(segmentation, labels=orientations.stored(segmentation.labels, order, flips))
    for rule in _RULES:
        one = {(s.kind, s.structure): s.score for s in spoil.signs(scan, rule, segmentation)}
        two = {(s.kind, s.structure): s.score for s in spoil.signs(other, rule, drawn)}
        assert one.keys() == two.keys()
        for key, score in one.items():
            assert two[key] == pytest.approx(score, abs=3.0), key


def test_shifted_hippocampi_lose_their_edges(shared_data):
    """Two voxels off along each axis: most lie above every correct one of the same cases."""
    clean, moved = [], []
    for path in sorted((shared_data / "hippocampus" / "imagesTr").glob("*.nii.gz"))[::14]:
        image = sitk.ReadImage(str(path))
        labels = sitk.GetArrayFromImage(
            sitk.ReadImage(str(path.parents[1] / "labelsTr" / path.name))
        ).astype(np.uint8)
        segments = anatomy.segments({1: "hippocampus anterior", 2: "hippocampus posterior"})
        for scores, drawn in ((clean, labels), (moved, np.roll(labels, (2, 0, 0), (0, 1, 2)))):
            segmentation = Segmentation(labels=geometry.from_array(drawn, image), segments=segments)
            scan = Scan(image=image, modality="MR")
            scores += [s.score for s in spoil.signs(scan, "intensity.edge", segmentation)]
    assert np.mean(np.array(moved) > max(clean)) > 0.7


def test_tiny_structures_are_left_alone(belly):
    scan, segmentation = belly
    labels = np.zeros_like(_array(segmentation))
    labels[20, 30, 18:20] = 1
    tiny = _changed(segmentation, labels)
    assert len(structures(tiny)) == 1
    for rule in _RULES:
        assert not spoil.signs(scan, rule, tiny)
