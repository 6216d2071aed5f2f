"""From signs to a list of findings, and the file that keeps a reviewer's answers."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MedAssistLib.case import Evidence, Finding, Point, Severity, State
from MedAssistLib.check import finding_id, ranked, with_answers
from MedAssistLib.check.findings_file import FindingsFile, read_json, write_csv, write_json
from MedAssistLib.check.merge import findings_of
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.thresholds import NOT_CALIBRATED, Calibration, Threshold
from MedAssistLib.errors import InputError
from Testing.check_cases import array, body, changed, drawing_findings, segment_of
from Testing.check_errors import inject

RULES = {
    name: Rule(
        name=name,
        looks_for="Something.",
        advice="Look at it.",
        needs=frozenset({Need.SEGMENTATION}),
        thresholds={
            "much": Threshold(value=2.0, unit="mm", source="made up"),
            "little": Threshold(value=4.0, unit="mm-1", source="made up", inverse=True),
        },
        measure=lambda _context: iter(()),
    )
    for name in ("one", "two")
}


def _place(at: Point, size: float = 4.0) -> Place:
    low, high = np.array(at) - size / 2, np.array(at) + size / 2
    return Place(at, ((low[0], low[1], low[2]), (high[0], high[1], high[2])))


def _sign(rule: str, score: float, place: Place | None, **more: object) -> Sign:
    fields: dict[str, object] = {
        "rule": rule,
        "kind": "much",
        "structure": "Liver",
        "score": score,
        "severity": Severity.REVIEW,
        "title": f"The liver is odd in the way of rule {rule}.",
        "place": place,
        "evidence": (
            Evidence(quantity=f"oddity {rule}", measured=3 * score, expected="", unit="mL"),
        ),
    }
    return Sign(**(fields | more))  # type: ignore[arg-type]


def test_signs_of_one_thing_become_one_finding_with_all_evidence() -> None:
    place = _place((0.0, 0.0, 0.0))
    near = _place((1.0, 0.0, 0.0))
    (finding,) = findings_of(
        [_sign("one", 6.0, place), _sign("two", 3.0, near)], RULES, NOT_CALIBRATED
    )
    assert finding.rule == "one"
    assert finding.confidence == pytest.approx(0.75)
    assert [entry.quantity for entry in finding.evidence] == ["oddity one", "oddity two"]
    assert [entry.expected for entry in finding.evidence] == ["at most 6", "at most 6"]
    assert "rule two" in finding.explanation
    assert finding.explanation.endswith("Look at it.")


def test_signs_of_two_things_stay_two_findings() -> None:
    """Of another structure, elsewhere, or of the whole organ and a spot in it."""
    here, there = _place((0.0, 0.0, 0.0)), _place((20.0, 0.0, 0.0))
    whole = _place((0.0, 0.0, 0.0), 100.0)
    signs = [
        _sign("one", 6.0, here),
        _sign("two", 3.0, here, structure="Spleen"),
        _sign("two", 3.0, there),
        _sign("two", 3.0, whole),
        _sign("one", 3.0, None),
    ]
    assert len(findings_of(signs, RULES, NOT_CALIBRATED)) == 5


def test_only_scores_above_the_threshold_are_told() -> None:
    place = _place((0.0, 0.0, 0.0))
    assert findings_of([_sign("one", 2.0, place)], RULES, NOT_CALIBRATED) == ()
    limits = {"one": {"much": {"Liver": 1.0}}}
    calibrated = Calibration(rate=0.2, cases=50, limits=limits)
    (finding,) = findings_of([_sign("one", 2.0, place)], RULES, calibrated)
    assert finding.evidence[0].expected == "at most 3"


def test_what_is_too_small_says_the_least_that_is_usual() -> None:
    entry = Evidence(quantity="width", measured=0.1, expected="", unit="mm")
    sign = _sign("one", 10.0, None, kind="little", evidence=(entry,))
    (finding,) = findings_of([sign], RULES, NOT_CALIBRATED)
    assert finding.evidence[0].expected == "at least 0.25"


def test_a_score_that_is_no_number_is_a_mistake_of_the_rule() -> None:
    for score in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="one"):
            _sign("one", score, None)


def test_the_most_important_comes_first() -> None:
    signs = [
        _sign("one", 3.0, _place((0.0, 0.0, 0.0))),
        _sign("one", 9.0, _place((20.0, 0.0, 0.0))),
        _sign("one", 3.0, _place((40.0, 0.0, 0.0), 8.0)),
        _sign("two", 2.1, _place((60.0, 0.0, 0.0)), severity=Severity.URGENT),
        _sign("two", 99.0, _place((80.0, 0.0, 0.0)), severity=Severity.INFO),
    ]
    found = findings_of(signs, RULES, NOT_CALIBRATED)
    assert [finding.point[0] for finding in found if finding.point] == [60.0, 20.0, 40.0, 0.0, 80.0]
    assert ranked(reversed(found)) == found


_WORDS = st.text(max_size=30)
_NUMBERS = st.floats(-1e4, 1e4).map(lambda x: round(x, 3))
_POINTS = st.tuples(_NUMBERS, _NUMBERS, _NUMBERS)
_EVIDENCE = st.builds(
    Evidence,
    quantity=_WORDS,
    measured=st.integers(-10_000, 10_000).map(float),
    expected=_WORDS,
    unit=_WORDS,
)
_FINDINGS = st.builds(
    Finding,
    rule=_WORDS,
    severity=st.sampled_from(Severity),
    title=_WORDS,
    explanation=_WORDS,
    structure=_WORDS,
    point=st.none() | _POINTS,
    box=st.none() | st.tuples(_POINTS, _POINTS),
    evidence=st.lists(_EVIDENCE, max_size=2).map(tuple),
    confidence=st.integers(0, 100).map(lambda n: n / 100),
    state=st.sampled_from(State),
    comment=_WORDS,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(_FINDINGS, max_size=4).map(tuple))
def test_a_findings_file_keeps_everything(
    tmp_path_factory: pytest.TempPathFactory, findings: tuple[Finding, ...]
) -> None:
    """Any words in any script, quotes and line breaks too."""
    path = tmp_path_factory.getbasetemp() / "findings.json"
    made = FindingsFile(findings=findings, scan="ct", segmentation="file x", model="")
    write_json(made, path)
    assert read_json(path) == made
    write_csv(made, path.with_suffix(".csv"))
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [finding_id(finding) for finding in findings]


def test_a_findings_file_is_as_the_design_says(tmp_path: Path) -> None:
    path = tmp_path / "findings.json"
    found = drawing_findings(*_with_island(0))
    write_json(FindingsFile(findings=tuple(found), scan="body"), path)
    data = json.loads(path.read_text("utf-8"))
    assert set(data) == {"scan", "segmentation", "model", "findings"}
    (entry,) = data["findings"]
    assert list(entry) == [
        "id", "rule", "severity", "title", "explanation", "structure", "point_lps", "box_lps",
        "evidence", "confidence", "state", "comment",
    ]  # fmt: skip
    assert list(entry["evidence"][0]) == ["quantity", "measured", "expected", "unit"]
    assert np.shape(entry["box_lps"]) == (2, 3)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"findings": 3}', "\x00", '{"findings": [{"rule": 1}]}', "[" * 9999],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a findings file"):
        read_json(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / "nothing.json")


def _with_island(seed: int):
    scan, correct = body()
    rng = np.random.default_rng(seed)
    error = inject("island", correct, segment_of(correct, "Liver"), 4.0, rng)
    assert error is not None
    return scan, error.segmentation


def test_an_answer_survives_a_second_run() -> None:
    first = drawing_findings(*_with_island(0))
    answered = [replace(first[0], state=State.DISMISSED, comment="a vessel")]
    again = with_answers(drawing_findings(*_with_island(0)), answered)
    assert again == (answered[0],)


def test_an_answer_survives_a_small_repair_elsewhere_and_of_the_thing_itself() -> None:
    """The island loses a voxel: its volume and centre change, the answer stays."""
    scan, made = _with_island(0)
    (first,) = drawing_findings(scan, made)
    answered = [replace(first, state=State.ACCEPTED, comment="yes")]
    labels = array(made)
    index = made.labels.TransformPhysicalPointToIndex(first.box[0])
    i, j, k = (max(n, 0) for n in index)
    block = labels[k : k + 2, j : j + 4, i : i + 4]
    assert (block > 0).any()
    block[...] = 0
    (again,) = with_answers(drawing_findings(scan, changed(made, labels)), answered)
    assert again.title != first.title
    assert (again.state, again.comment) == (State.ACCEPTED, "yes")


def test_an_answer_is_not_given_to_something_else() -> None:
    scan, made = _with_island(0)
    (first,) = drawing_findings(scan, made)
    answered = [replace(first, state=State.DISMISSED)]
    elsewhere = [
        replace(first, structure="Spleen"),
        replace(first, rule="geometry.holes"),
        replace(first, point=(0.0, 0.0, 0.0), box=None),
        replace(first, point=None, box=None),
    ]
    assert all(f.state is State.OPEN for f in with_answers(elsewhere, answered))


def test_each_answer_is_given_once_to_the_nearest() -> None:
    (finding,) = drawing_findings(*_with_island(0))
    x, y, z = finding.point
    old = replace(finding, state=State.DISMISSED, comment="old")
    near, far = replace(finding, point=(x + 1.0, y, z)), replace(finding, point=(x + 4.0, y, z))
    states = [f.state for f in with_answers([far, near], [old])]
    assert states == [State.OPEN, State.DISMISSED]
