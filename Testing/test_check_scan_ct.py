"""The rules about a CT scan: silent on real and made-up scans, told when they are spoilt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from MedAssistLib.case import Scan, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.rule import Need
from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.check.survey import Survey, survey
from MedAssistLib.models.card import SHIPPED, read_card
from MedAssistLib.read import ReadOptions, read_scan
from Testing import check_damage as spoil
from Testing import orientations

_SCAN_RULES = sorted(name for name in rule_kinds() if name.startswith("scan."))


@pytest.fixture(scope="module")
def trunk() -> Scan:
    return spoil.trunk()


@pytest.fixture(scope="module")
def slab(shared_data: Path) -> Scan:
    return read_scan(shared_data / "ct" / "example_ct_sm.nii.gz", ReadOptions(modality="CT"))


@pytest.fixture(scope="module", params=["trunk", "slab"])
def clean(request: pytest.FixtureRequest) -> Scan:
    """A made-up trunk, and 9 cm of a real one."""
    found: Scan = request.getfixturevalue(request.param)
    return found


def test_a_clean_scan_raises_nothing(clean):
    for rule in _SCAN_RULES:
        assert not spoil.told(clean, rule), rule


@pytest.mark.parametrize(
    ("folder", "series"),
    [
        ("ct_abdomen_20slices", ""),
        ("ct_gantry_tilt_ge", ""),
        ("ct_gantry_tilt_philips", ""),
    ],
)
def test_real_dicom_scans_raise_nothing(shared_data, folder, series):
    scan = read_scan(shared_data / "dicom" / folder)
    for rule in _SCAN_RULES:
        assert not spoil.told(scan, rule), rule


def test_a_hip_nail_is_found_where_it_is_and_nothing_else(shared_data):
    """The whole trunk of the shared data has metal in the left hip, with streaks."""
    scan = read_scan(shared_data / "ct" / "example_ct.nii.gz", ReadOptions(modality="CT"))
    found = {rule: spoil.told(scan, rule) for rule in _SCAN_RULES}
    assert [rule for rule, kinds in found.items() if kinds] == ["scan.metal"]
    sign = max(spoil.signs(scan, "scan.metal"), key=lambda sign: sign.score)
    assert 5.0 < sign.score < 20.0
    assert sign.severity is Severity.REVIEW
    i, j, k = scan.image.TransformPhysicalPointToIndex(sign.place.point)
    assert scan.image[i, j, k] > 2500


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda values: values + 1024.0, "air"),
        (lambda values: values * 0.5, "air"),
        (lambda values: np.clip((values + 160.0) / 400.0 * 255.0, 0.0, 255.0).round(), "flat"),
        (lambda values: np.clip(values, -200.0, 300.0), "flat"),
    ],
    ids=["no intercept", "wrong slope", "a picture", "a window"],
)
def test_values_that_are_no_hounsfield_units_are_told(clean, change, kind):
    wrong = spoil.with_values(clean, change(spoil.values_of(clean)))
    assert kind in spoil.told(wrong, "scan.hounsfield")


def test_a_missing_intercept_is_named(trunk):
    shifted = spoil.with_values(trunk, spoil.values_of(trunk) + 1024.0)
    sign = next(s for s in spoil.signs(shifted, "scan.hounsfield") if s.kind == "air")
    assert "intercept" in sign.explanation
    assert sign.evidence[0].measured == pytest.approx(24.0, abs=10.0)
    assert sign.evidence[0].unit == "[hnsf'U]"
    assert sign.severity is Severity.URGENT


def test_a_crop_without_air_is_judged_by_its_tissue(trunk):
    part = spoil.cropped(trunk, (0.35, 0.35, 0.0), (0.65, 0.6, 0.3))
    shifted = spoil.with_values(part, spoil.values_of(part) + 1024.0)
    assert spoil.told(shifted, "scan.hounsfield") == {"tissue"}


def _in_a_circle(scan: Scan, value: float) -> Scan:
    values = spoil.values_of(scan)
    y, x = (np.arange(n) - (n - 1) / 2.0 for n in values.shape[1:])
    outside = np.hypot(y[:, None] * 4.0, x[None, :] * 4.0) > 178.0
    values[:, outside] = value
    return spoil.with_values(scan, values)


def test_padding_that_looks_like_tissue_is_told_and_padding_like_air_is_not(trunk):
    """Around the scanner's circle: 0 HU would be water to every program, -3024 is far from all."""
    assert "flat" in spoil.told(_in_a_circle(trunk, 0.0), "scan.hounsfield")
    assert not spoil.told(_in_a_circle(trunk, -3024.0), "scan.hounsfield")


def test_a_circle_that_cuts_the_body_is_told_as_a_cut(trunk):
    assert not spoil.told(trunk, "scan.field-of-view")
    assert "cut" in spoil.told(_in_a_circle(trunk, -3024.0), "scan.field-of-view")


def test_a_side_that_is_cut_off_is_told_with_its_name(clean):
    cut = spoil.cropped(clean, (0.3, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert "cut" in spoil.told(cut, "scan.field-of-view")
    (sign,) = spoil.signs(cut, "scan.field-of-view")
    side = "left" if cut.image.GetDirection()[0] < 0 else "right"
    assert sign.title.endswith(f", {side}.")


def test_the_ends_along_the_body_are_no_cut(trunk):
    part = spoil.cropped(trunk, (0.0, 0.0, 0.3), (1.0, 1.0, 0.7))
    assert not spoil.told(part, "scan.field-of-view")


def test_a_crop_within_the_body_is_told_as_a_cut_and_its_values_are_trusted(trunk):
    part = spoil.cropped(trunk, (0.35, 0.35, 0.0), (0.65, 0.6, 0.3))
    assert "cut" in spoil.told(part, "scan.field-of-view")
    assert not spoil.told(part, "scan.hounsfield")


def test_noise_is_measured_in_hounsfield_units(clean):
    before = spoil.scores(clean, "scan.noise")["ct"]
    after = spoil.scores(spoil.noisy(clean, 60.0), "scan.noise")["ct"]
    assert after == pytest.approx(np.hypot(before, 60.0), rel=0.1)
    assert "ct" in spoil.told(spoil.noisy(clean, 60.0), "scan.noise")


def test_blur_is_told(clean):
    assert "width" in spoil.told(spoil.blurred(clean, 7.0), "scan.blur")


def test_metal_is_told_with_its_place_and_streaks(trunk):
    (sign,) = spoil.signs(spoil.with_metal(trunk, 9.0), "scan.metal")
    assert sign.score == pytest.approx(4.0 / 3.0 * np.pi * 0.9**3, rel=0.3)
    assert sign.severity is Severity.REVIEW
    assert sign.evidence[1].measured > 1.5
    assert all(
        a < p < b
        for a, p, b in zip(sign.place.box[0], sign.place.point, sign.place.box[1], strict=True)
    )


def test_a_scan_with_front_and_back_exchanged_is_told(clean):
    assert "spine" in spoil.told(spoil.mirrored(clean, "AP"), "scan.orientation")


def test_a_scan_with_left_and_front_exchanged_is_told(clean):
    assert "spine" in spoil.told(spoil.swapped(clean, 1, 2), "scan.orientation")


def test_a_chest_upside_down_is_told(trunk):
    assert "lungs" in spoil.told(spoil.mirrored(trunk, "SI"), "scan.upside-down")


def test_a_head_upside_down_is_told(shared_data):
    head = read_scan(shared_data / "dicom" / "ct_gantry_tilt_ge")
    assert "crown" in spoil.told(spoil.mirrored(head, "SI"), "scan.upside-down")


def test_metal_without_streaks_is_only_noted(trunk):
    values = spoil.values_of(spoil.with_metal(trunk, 9.0))
    quiet = np.where(values == 3071.0, values, spoil.values_of(trunk))
    (sign,) = spoil.signs(spoil.with_values(trunk, quiet), "scan.metal")
    assert sign.severity is Severity.INFO
    assert "streaks" not in sign.title


def test_an_enhanced_scan_says_so_and_is_not_asked_for_hounsfield_units(trunk):
    changed = spoil.with_values(trunk, spoil.values_of(trunk) / 100.0)
    enhanced = replace(changed, enhancement=("contrast.normalise",))
    assert not spoil.signs(enhanced, "scan.hounsfield")
    assert spoil.told(enhanced, "scan.filters") == {"filters"}
    assert "contrast.normalise" in spoil.signs(enhanced, "scan.filters")[0].title


def test_a_model_for_another_modality_is_told(trunk):
    card = read_card(SHIPPED / "brain")
    found = spoil.scores(trunk, "scan.model", options=CheckOptions(card=card))
    assert found == {"modality": 1.0}
    same = replace(trunk, modality="MR")
    assert not spoil.signs(same, "scan.model", options=CheckOptions(card=card))
    assert Need.MODEL in rule_kinds()["scan.model"].needs


def test_a_model_that_clips_all_of_the_body_is_told(trunk):
    card = replace(
        read_card(SHIPPED / "brain"),
        modality="CT",
        intensity={"channels": [{"scheme": "ct", "low": 300.0, "high": 900.0}]},
    )
    found = spoil.scores(trunk, "scan.model", options=CheckOptions(card=card))
    assert found["intensity"] > rule_kinds()["scan.model"].thresholds["intensity"].value
    fits = replace(card, intensity={"channels": [{"scheme": "ct", "low": -900.0, "high": 300.0}]})
    assert spoil.scores(trunk, "scan.model", options=CheckOptions(card=fits))["intensity"] < 20.0


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[::5])
def test_what_is_seen_does_not_depend_on_how_the_scan_is_stored(trunk, order, flips):
    """Files hold the axes of the same scan in 48 orders and directions."""
    other = replace(trunk, image=orientations.stored(trunk.image, order, flips))
    one, two = (Survey(scan.image, "CT") for scan in (trunk, other))
    assert one.steps == two.steps
    assert np.array_equal(one.values, two.values)
    assert np.array_equal(one.body, two.body)
    assert one.through == two.through
    assert one.place(one.body).point == pytest.approx(two.place(two.body).point)
    assert np.array(one.place(one.body).box) == pytest.approx(np.array(two.place(two.body).box))


def test_a_survey_places_what_it_finds_where_it_is(trunk):
    seen = survey(Context(scan=trunk))
    index = (7, 11, 13)
    point = seen.point(index)
    whole = tuple(n * step for n, step in zip(index, seen.steps, strict=True))
    i, j, k = trunk.image.TransformPhysicalPointToIndex(point)
    assert float(trunk.image[i, j, k]) == seen.values[whole] == seen.coarse[index]


def test_a_context_is_surveyed_once(trunk):
    context = Context(scan=trunk)
    assert survey(context) is survey(context)
