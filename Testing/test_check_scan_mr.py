"""The rules about an MR scan: silent on real scans, told when they are spoilt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.check.survey import Survey
from MedAssistLib.read import ReadOptions, read_scan
from Testing import check_damage as spoil

_SCAN_RULES = sorted(name for name in rule_kinds() if name.startswith("scan."))


@pytest.fixture(scope="module")
def brain(mni_scan: Scan) -> Scan:
    """The MNI152 brain at 2 mm."""
    return replace(mni_scan, image=sitk.Shrink(mni_scan.image, [2, 2, 2]))


@pytest.fixture(scope="module")
def head(shared_data: Path) -> Scan:
    """A whole head at 1.8 mm, with the neck."""
    scan = read_scan(shared_data / "mr" / "t1_head.nii.gz", ReadOptions(modality="MR"))
    return replace(scan, image=sitk.Shrink(scan.image, [2, 2, 2]))


def test_a_clean_brain_raises_nothing(mni_scan):
    for rule in _SCAN_RULES:
        assert not spoil.told(mni_scan, rule), rule


def test_a_clean_head_raises_nothing(shared_data):
    scan = read_scan(shared_data / "mr" / "t1_head.nii.gz", ReadOptions(modality="MR"))
    for rule in _SCAN_RULES:
        assert not spoil.told(scan, rule), rule


@pytest.mark.parametrize("series", ["1", "4"])
def test_a_phantom_with_the_usual_ghosts_of_epi_raises_nothing(shared_data, series):
    folder = shared_data / "dicom" / "mr_enhanced_siemens"
    scan = read_scan(folder, ReadOptions(series=series))
    for rule in _SCAN_RULES:
        assert not spoil.told(scan, rule), rule
    assert 0.3 < spoil.scores(scan, "scan.ghosting")["ghost"] < 0.7


def test_crops_of_the_hippocampus_raise_nothing(shared_data):
    """A crop has no air and no outline: rules that need them must not guess."""
    for path in sorted((shared_data / "hippocampus" / "imagesTr").glob("*.nii.gz"))[::16]:
        scan = read_scan(path, ReadOptions(modality="MR"))
        for rule in _SCAN_RULES:
            assert not spoil.told(scan, rule), (path.name, rule)


def test_noise_is_told_with_the_ratio_of_signal_to_noise(brain):
    signal = float(np.median(Survey(brain.image, "MR").coarse[Survey(brain.image, "MR").body]))
    bad = spoil.noisy(brain, signal / 5.0)
    assert "mr" in spoil.told(bad, "scan.noise")
    (sign,) = spoil.signs(bad, "scan.noise")
    assert sign.evidence[0].measured == pytest.approx(5.0, rel=0.15)
    assert sign.score == pytest.approx(1.0 / sign.evidence[0].measured)


def test_blur_is_told(brain):
    assert "width" in spoil.told(spoil.blurred(brain, 4.0), "scan.blur")


def test_shading_is_told_and_measured(brain):
    before = spoil.scores(brain, "scan.shading")["ratio"]
    bad = spoil.shaded(brain, 6.0, 1)
    assert "ratio" in spoil.told(bad, "scan.shading")
    assert spoil.scores(bad, "scan.shading")["ratio"] > 1.5 * before


@pytest.mark.parametrize("axis", [1, 2])
def test_ghosts_are_told_with_their_direction(brain, axis):
    (sign,) = spoil.signs(spoil.ghosted(brain, 0.08, axis), "scan.ghosting")
    assert 4.0 < sign.score < 8.0
    assert {1: "front to back", 2: "left to right"}[axis] in sign.title


def test_noise_in_the_air_is_no_ghost(brain):
    assert not spoil.told(spoil.noisy(brain, 25.0), "scan.ghosting")


@pytest.mark.parametrize(("first", "second"), [(1, 2), (0, 2)])
def test_two_swapped_axes_of_a_head_are_told(brain, first, second):
    assert "symmetry" in spoil.told(spoil.swapped(brain, first, second), "scan.orientation")


def test_a_head_upside_down_is_told(head):
    assert not spoil.told(head, "scan.upside-down")
    assert spoil.told(spoil.mirrored(head, "SI"), "scan.upside-down") == {"crown"}


def test_a_brain_without_a_neck_has_no_top(brain):
    """Both its ends are closed: nothing can be said, and nothing is."""
    assert not spoil.told(spoil.mirrored(brain, "SI"), "scan.upside-down")
