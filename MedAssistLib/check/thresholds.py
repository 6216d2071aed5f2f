"""From which score on a rule speaks: the rule's own defaults, or what a calibration found.

A rule gives every oddity that it measures a score: 0 when nothing is odd, the larger the odder. A
sign becomes a finding when its score is *above* the threshold for its rule, kind and structure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from MedAssistLib.errors import ModelError

Limits = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Rule → kind → structure (empty for the whole case) → threshold."""

NEVER = math.inf
"""Threshold of a score that says nothing until somebody calibrated it."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What a score is compared with when nothing was calibrated.

    Attributes:
        value: Scores above it are told; :data:`NEVER` where only a calibration can say.
        unit: UCUM unit of the score, ``"1"`` for a ratio.
        source: Where the value comes from: a publication, or what was measured on clean labels.
        inverse: The score is a constant over what was measured, because small values are odd; else
            it is a constant times that.
    """

    value: float
    unit: str
    source: str
    inverse: bool = False


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Thresholds found on clean cases; see :mod:`MedAssistLib.check.calibration`.

    Attributes:
        rate: Promised mean number of false findings in a clean case.
        cases: Number of clean cases that it was found on.
        limits: The thresholds; a rule, kind or structure that is not there keeps its default.
    """

    rate: float
    cases: int
    limits: Limits = field(default_factory=dict)

    def limit(self, rule: str, kind: str, structure: str, default: Threshold) -> float:
        """Return the threshold for a rule's kind of score of a structure."""
        return self.limits.get(rule, {}).get(kind, {}).get(structure, default.value)

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a model's card; ``null`` is a score that is never told."""
        limits = {
            rule: {
                kind: {name: None if v == NEVER else float(f"{v:.9g}") for name, v in by.items()}
                for kind, by in kinds.items()
            }
            for rule, kinds in self.limits.items()
        }
        return {"rate": self.rate, "cases": self.cases, "limits": limits}


NOT_CALIBRATED = Calibration(rate=math.nan, cases=0)
"""Every rule keeps its defaults."""


def calibration_of(fields: Mapping[str, Any]) -> Calibration:
    """Read what :meth:`Calibration.to_json` wrote.

    Raises:
        ModelError: If it is not a calibration.
    """
    try:
        limits = {
            str(rule): {
                str(kind): {str(name): _score(value) for name, value in by_structure.items()}
                for kind, by_structure in by_kind.items()
            }
            for rule, by_kind in fields["limits"].items()
        }
        return Calibration(rate=float(fields["rate"]), cases=int(fields["cases"]), limits=limits)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        hint = "Calibrate the model again"
        raise ModelError(f"has a calibration that is not valid ({error})", hint=hint) from error


def _score(value: Any) -> float:
    score = NEVER if value is None else float(value)
    if not score >= 0.0:
        raise ValueError(f"a threshold is {score}")
    return score
