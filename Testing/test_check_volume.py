"""Volumes against reference ranges: the tables, the z-scores, and when the rule keeps silent."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Code, Scan, Segment, Segmentation, Severity
from MedAssistLib.check import check
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.ranges import SHIPPED, Range, read_ranges
from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.errors import InputError
from MedAssistLib.models import anatomy
from Testing import check_damage as spoil

_RULE = "volume.reference"
_ENTRY: dict[str, Any] = {
    "structure": "Spleen",
    "quantity": "volume",
    "unit": "mL",
    "mean": 200.0,
    "sd": 50.0,
    "source": "a test",
}


def _ranges(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "ranges.json"
    path.write_text(json.dumps({"ranges": list(entries)}), encoding="utf-8")
    return path


def _one(folder: Path, **changes: Any) -> Range:
    (found,) = read_ranges(_ranges(folder, {**_ENTRY, **changes}))
    return found


def _drawn(millilitres: dict[str, float], *, corner: bool = False) -> tuple[Scan, Segmentation]:
    """Return cubes of given volumes in a row, 5 mm voxels; at the border if ``corner``."""
    labels = np.zeros((40, 40, 40 * len(millilitres)), dtype=np.uint8)
    for number, volume in enumerate(millilitres.values()):
        side = (volume * 1000.0) ** (1.0 / 3.0) / 5.0
        start = 0 if corner else 2
        block = labels[start:, start:, 40 * number + start :]
        count = round(volume * 1000.0 / 125.0)
        where = np.argwhere(np.ones((math.ceil(side),) * 3))[:count]
        block[tuple(where.T)] = number + 1
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((5.0, 5.0, 5.0))
    names = dict(enumerate(millilitres, 1))
    segmentation = Segmentation(labels=image, segments=anatomy.segments(names), made_by="test")
    return Scan(image=sitk.Cast(image, sitk.sitkInt16), name="volumes"), segmentation


def _found(
    millilitres: dict[str, float], *, corner: bool = False, **options: Any
) -> list[tuple[str, Severity, str]]:
    scan, segmentation = _drawn(millilitres, corner=corner)
    found = spoil.signs(scan, _RULE, segmentation, CheckOptions(**options))
    limit = rule_kinds()[_RULE].thresholds["z"].value
    return [(s.structure, s.severity, s.title) for s in found if s.score > limit]


def test_the_shipped_ranges_say_where_they_come_from():
    ranges = read_ranges(SHIPPED)
    assert len(ranges) >= 40
    for entry in ranges:
        assert entry.population, entry.structure
        assert entry.source.startswith("doi:10.") or " 20" in entry.source, entry.source
        low, high = entry.usual()
        assert low < high


def test_the_shipped_codes_are_those_of_the_anatomy_table():
    """A code nobody uses would never be compared."""
    table = json.loads(Path(anatomy.__file__).with_suffix(".json").read_text(encoding="utf-8"))
    known = {value for rows in table.values() for _, value, *_ in rows}
    assert {entry.code for entry in read_ranges(SHIPPED)} <= known


def test_a_mean_and_deviation_are_those_of_a_log_normal(tmp_path):
    """Drawn numbers of that mean and deviation have z-scores of mean 0 and deviation 1."""
    entry = _one(tmp_path, mean=22.6, sd=11.6)
    spread = math.sqrt(math.log1p((11.6 / 22.6) ** 2))
    drawn = np.random.default_rng(2).lognormal(math.log(22.6) - spread**2 / 2, spread, 20_000)
    assert drawn.mean() == pytest.approx(22.6, rel=0.02)
    assert drawn.std() == pytest.approx(11.6, rel=0.05)
    scores = np.array([entry.z_score(value) for value in drawn])
    assert scores.mean() == pytest.approx(0.0, abs=0.03)
    assert scores.std() == pytest.approx(1.0, abs=0.03)


def test_percentiles_are_met_exactly_and_go_on_beyond_the_ends(tmp_path):
    entry = _one(tmp_path, percentiles={"5": 102, "25": 126, "50": 142, "75": 161})
    for value, score in ((102, -1.6449), (126, -0.6745), (142, 0.0), (161, 0.6745)):
        assert entry.z_score(value) == pytest.approx(score, abs=1e-3)
    assert entry.z_score(80) < -2.5
    assert entry.z_score(230) > 2.5
    low, high = entry.usual()
    assert entry.z_score(low) == pytest.approx(-1.96)
    assert entry.z_score(high) == pytest.approx(1.96)


def test_a_cohort_is_read_robustly(tmp_path):
    """One wrong volume among a cohort's does not widen the range."""
    values = np.random.default_rng(5).lognormal(5.0, 0.2, 60).tolist()
    clean, spoilt = (_one(tmp_path, values=numbers) for numbers in (values, [*values[:-1], 9000.0]))
    assert clean.z_score(250.0) == pytest.approx(spoilt.z_score(250.0), abs=0.4)


@pytest.mark.parametrize(
    "entry",
    [
        {"unit": "cups"},
        {"quantity": "beauty"},
        {"side": "front"},
        {"sex": "X"},
        {"sd": 0.0},
        {"mean": -3.0},
        {"mean": "much"},
        {"percentiles": {"50": 100.0}},
        {"percentiles": {"50": 100.0, "75": 90.0}},
        {"percentiles": {"0": 1.0, "75": 90.0}},
        {"values": [1.0, 2.0]},
        {"values": [0.0] * 20},
        {"limits": [3.0, 1.0]},
        {"age": [18]},
    ],
    ids=str,
)
def test_an_entry_that_makes_no_sense_is_named(tmp_path, entry):
    path = _ranges(tmp_path, _ENTRY, {**_ENTRY, **entry})
    with pytest.raises(InputError, match="entry 2"):
        read_ranges(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ranges": 3}', "{", '{"ranges": [3]}'])
def test_a_file_that_holds_no_ranges_is_refused(tmp_path, text):
    path = tmp_path / "ranges.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_ranges(path)
    with pytest.raises(InputError):
        read_ranges(tmp_path / "nowhere.json")


def test_usual_volumes_of_an_adult_raise_nothing():
    usual = {"liver": 1450, "spleen": 190, "kidney_left": 165, "kidney_right": 160, "pancreas": 70}
    assert not _found(usual)
    assert not _found(usual, age=50, sex="M")


@pytest.mark.parametrize(
    ("volumes", "word"),
    [({"spleen": 900}, "large"), ({"liver": 350}, "small"), ({"kidney_right": 45}, "small")],
)
def test_an_unusual_volume_is_told_with_numbers_and_source(volumes, word):
    scan, segmentation = _drawn(volumes)
    found = check(scan, segmentation, CheckOptions(age=50, sex="F"))
    (finding,) = [f for f in found if f.rule == _RULE]
    (volume,) = volumes.values()
    assert word in finding.title
    assert "a woman of 50 years" in finding.title
    assert "(" in finding.explanation
    assert finding.evidence[0].measured == pytest.approx(volume, rel=0.01)
    assert finding.evidence[0].unit == "mL"
    assert finding.severity is Severity.REVIEW


def test_sex_and_age_choose_the_range():
    """80 mL is small for the kidney of a young man and usual for that of an old woman."""
    assert _found({"kidney_right": 80}, age=30, sex="M")
    assert not _found({"kidney_right": 80}, age=75, sex="F")
    assert not _found({"kidney_right": 80}, age=75)


def test_an_unknown_age_makes_it_a_note_about_adults():
    ((_, severity, title),) = _found({"spleen": 900})
    assert severity is Severity.INFO
    assert "an adult person" in title


def test_a_child_is_not_compared_with_adults():
    assert not _found({"liver": 350, "spleen": 40}, age=4)


def test_a_structure_that_the_scan_cuts_is_not_judged():
    assert not _found({"spleen": 900}, corner=True)


def test_both_sides_are_compared_as_a_sum_and_one_alone_not_at_all():
    pair = {"hippocampus_left": 1.0, "hippocampus_right": 1.0}
    ((name, _, title),) = _found(pair, age=50)
    assert name == "Left hippocampus"
    assert "2 mL" in title
    assert not _found({"hippocampus_left": 1.0}, age=50)
    assert not _found({"hippocampus_left": 3.4, "hippocampus_right": 3.4}, age=50)


def test_a_file_of_ones_own_takes_the_place_of_the_shipped_ranges(tmp_path):
    own = _ranges(tmp_path, {**_ENTRY, "code": "78961009", "mean": 900.0, "sd": 90.0})
    assert not _found({"spleen": 900}, age=50, reference_ranges=own)
    assert _found({"spleen": 200}, age=50, reference_ranges=own)


def test_a_structure_without_a_code_goes_by_its_name(tmp_path):
    own = _ranges(tmp_path, {**_ENTRY, "structure": "my node", "mean": 8.0, "sd": 1.0})
    assert _found({"my node": 30}, reference_ranges=own)
    assert not _found({"my node": 8}, reference_ranges=own)


def test_a_part_of_an_organ_is_not_the_organ():
    """A segment of the liver's region with the liver's code, such as a lobe, has other volumes."""
    scan, segmentation = _drawn({"liver": 350})
    (liver,) = segmentation.segments
    lobe: Segment = replace(liver, region=Code("1", "99TEST", "Left lobe"))
    part = replace(segmentation, segments=(lobe,))
    assert spoil.signs(scan, _RULE, segmentation)
    assert not spoil.signs(scan, _RULE, part)


def test_the_front_of_a_hippocampus_is_not_both_hippocampi():
    scan, segmentation = _drawn({"hippocampus anterior": 1.5})
    assert segmentation.segments[0].modifier is not None
    assert not spoil.signs(scan, _RULE, segmentation)
