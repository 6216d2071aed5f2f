"""Calibrated thresholds: the promise about false findings is kept, and errors stay visible."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from MedAssistLib.case import Severity
from MedAssistLib.check import CheckOptions, calibrate, calibration_of
from MedAssistLib.check.calibration import BEHIND
from MedAssistLib.check.merge import cliques, findings_of
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.thresholds import NEVER, NOT_CALIBRATED, Calibration, Threshold
from MedAssistLib.errors import InputError, ModelError
from MedAssistLib.models.card import ModelCard

STRUCTURES = ("Left", "Right")


def _nothing(_context: object) -> Iterator[Sign]:
    return iter(())


def _rule(name: str, **thresholds: float) -> Rule:
    return Rule(
        name=name,
        looks_for="Something.",
        advice="Look.",
        needs=frozenset({Need.SEGMENTATION}),
        thresholds={
            kind: Threshold(value=value, unit="1", source="made up")
            for kind, value in thresholds.items()
        },
        measure=_nothing,
    )


RULES = {
    rule.name: rule
    for rule in (
        _rule("a.heavy", tail=3.0),
        _rule("b.shape", low=NEVER, high=NEVER),
        _rule("c.rare", spot=1.0),
        *(_rule(f"d.more{n}", score=1.0) for n in range(6)),
    )
}


def _sign(rule: str, kind: str, structure: str, score: float, at: float) -> Sign:
    place = Place((at, 0.0, 0.0), ((at - 1.0, -1.0, -1.0), (at + 1.0, 1.0, 1.0)))
    return Sign(
        rule=rule,
        kind=kind,
        structure=structure,
        score=score,
        severity=Severity.REVIEW,
        title="Odd.",
        place=place,
    )


def _case(rng: np.random.Generator) -> list[Sign]:
    """Return the signs of a clean case: some always there, some rare, some that go together."""
    signs = []
    mood = rng.lognormal(sigma=0.6)
    for structure in STRUCTURES:
        value = rng.lognormal(sigma=0.3)
        signs.append(_sign("b.shape", "high", structure, value, 0.0))
        signs.append(_sign("b.shape", "low", structure, 1.0 / value, 0.0))
        signs += [
            _sign("a.heavy", "tail", structure, mood * rng.pareto(1.5) + 1e-9, 5.0 * n)
            for n in range(rng.poisson(1.0))
        ]
        if rng.random() < 0.02:
            signs.append(_sign("c.rare", "spot", structure, rng.random() + 0.1, 50.0))
        signs += [
            _sign(f"d.more{n}", "score", structure, mood * rng.random(), 100.0 + 5.0 * n)
            for n in range(6)
        ]
    return signs


@pytest.mark.parametrize(("count", "rate"), [(60, 0.2), (104, 0.1), (60, 1.0)])
def test_the_promise_is_kept(count: int, rate: float) -> None:
    """The mean number of false findings over many calibrations and new cases is as promised."""
    rng = np.random.default_rng(11)
    found = []
    for _ in range(40):
        calibration = calibrate([_case(rng) for _ in range(count)], RULES, STRUCTURES, rate)
        found += [len(findings_of(_case(rng), RULES, calibration)) for _ in range(30)]
    error = np.std(found) / np.sqrt(len(found) / 4)
    assert np.mean(found) <= rate + 2.0 * error
    assert np.mean(found) > rate / 10.0, "so strict that nothing is ever told"


def _named_as(family: str, rules: dict[str, Rule]) -> dict[str, Rule]:
    """Return the rules with those called "d.…" in another family."""
    renamed = (
        dataclasses.replace(rule, name=rule.name.replace("d.", f"{family}.", 1))
        for rule in rules.values()
    )
    return {rule.name: rule for rule in renamed}


def _cases_named_as(family: str, cases: list[list[Sign]]) -> list[list[Sign]]:
    return [
        [dataclasses.replace(sign, rule=sign.rule.replace("d.", f"{family}.", 1)) for sign in case]
        for case in cases
    ]


def test_what_varies_between_people_does_not_use_up_the_promise() -> None:
    """Errors in the drawing would be missed for the sake of unusual but healthy people."""
    rng = np.random.default_rng(7)
    assert "intensity" in BEHIND
    cases, fresh = ([_case(rng) for _ in range(n)] for n in (100, 600))
    alike = calibrate(cases, RULES, STRUCTURES)
    rules = _named_as("intensity", RULES)
    behind = calibrate(_cases_named_as("intensity", cases), rules, STRUCTURES)
    for name in STRUCTURES:
        assert behind.limits["b.shape"]["low"][name] < alike.limits["b.shape"]["low"][name]
        before, after = alike.limits["d.more0"], behind.limits["intensity.more0"]
        assert after["score"][name] > before["score"][name]
    told = [findings_of(c, rules, behind) for c in _cases_named_as("intensity", fresh)]
    assert np.mean([len(found) for found in told]) <= 0.2


def test_a_score_beyond_all_clean_ones_is_told() -> None:
    rng = np.random.default_rng(2)
    calibration = calibrate([_case(rng) for _ in range(120)], RULES, STRUCTURES)
    odd = [
        _sign("b.shape", "low", "Left", 40.0, 0.0),
        _sign("c.rare", "spot", "Right", 60.0, 0.0),
        _sign("a.heavy", "tail", "Right", 1e6, 30.0),
    ]
    told = findings_of(odd, RULES, calibration)
    assert {finding.rule for finding in told} == {"b.shape", "c.rare", "a.heavy"}
    assert findings_of(odd[:1], RULES, NOT_CALIBRATED) == (), "nobody knows what is low"


def test_more_false_findings_allowed_means_lower_thresholds() -> None:
    rng = np.random.default_rng(4)
    cases = [_case(rng) for _ in range(150)]
    before = None
    for rate in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0):
        made = calibrate(cases, RULES, STRUCTURES, rate)
        limits = [
            made.limits[rule][kind][name]
            for rule, kinds in made.limits.items()
            for kind in kinds
            for name in ("", *STRUCTURES)
        ]
        assert before is None or all(now <= then for now, then in zip(limits, before, strict=True))
        before = limits


def test_too_few_cases_are_refused_with_the_number_that_is_needed() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"24 cases are too few.*at least 25"):
        calibrate([_case(rng) for _ in range(24)], RULES, STRUCTURES, 0.2)


def test_a_calibration_survives_the_card(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    made = calibrate([_case(rng) for _ in range(60)], RULES, STRUCTURES, 0.2)
    never = dataclasses.replace(made, limits={**made.limits, "x.y": {"z": {"": NEVER}}})
    text = json.dumps(never.to_json(), allow_nan=False)
    back = calibration_of(json.loads(text))
    assert (back.rate, back.cases) == (0.2, 60)
    assert back.limits["x.y"]["z"][""] == NEVER
    for rule, kinds in made.limits.items():
        for kind, by_name in kinds.items():
            assert back.limits[rule][kind] == pytest.approx(by_name)


def test_the_cards_calibration_holds_unless_another_is_given() -> None:
    limits = {"a.heavy": {"tail": {"Left": 0.5}}}
    card = SimpleNamespace(
        measured={"calibration": Calibration(rate=0.2, cases=50, limits=limits).to_json()}
    )
    assert isinstance(ModelCard.__dataclass_fields__["measured"], dataclasses.Field)
    default = RULES["a.heavy"].thresholds["tail"]
    options = CheckOptions(card=card)  # type: ignore[arg-type]
    assert options.thresholds.limit("a.heavy", "tail", "Left", default) == 0.5
    assert options.thresholds.limit("a.heavy", "tail", "Right", default) == 3.0
    own = CheckOptions(card=card, calibration=NOT_CALIBRATED)  # type: ignore[arg-type]
    assert own.thresholds.limit("a.heavy", "tail", "Left", default) == 3.0


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"rate": 0.2, "cases": 5, "limits": []},
        {"rate": 0.2, "cases": 5, "limits": {"a": {"b": {"c": -1}}}},
        {"rate": 0.2, "cases": 5, "limits": {"a": {"b": {"c": "much"}}}},
        {"rate": "x", "cases": 5, "limits": {}},
    ],
)
def test_a_damaged_calibration_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="calibration"):
        calibration_of(fields)


def test_there_are_never_more_findings_than_groups_that_speak() -> None:
    """The promise counts groups: if they were fewer than the findings, it would be broken."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        signs = []
        for _ in range(rng.integers(1, 15)):
            low = rng.integers(0, 6, 3).astype(float)
            corners = tuple(low.tolist()), tuple((low + rng.integers(1, 6, 3)).tolist())
            sign = _sign("c.rare", "spot", "Left", float(rng.random()) + 0.01, 0.0)
            signs.append(dataclasses.replace(sign, place=Place(corners[0], corners)))
        groups = cliques(signs)
        limit = float(rng.random())
        given = Calibration(rate=1.0, cases=1, limits={"c.rare": {"spot": {"Left": limit}}})
        speaking = {group for sign, group in zip(signs, groups, strict=True) if sign.score > limit}
        assert len(findings_of(signs, RULES, given)) <= len(speaking)
        assert max(groups) < len(signs)
