"""What a rule is, and the signs that it measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from MedAssistLib.case import Evidence, Point, Severity
from MedAssistLib.check.thresholds import Threshold

if TYPE_CHECKING:
    from MedAssistLib.check.context import Context


class Need(StrEnum):
    """What a context must have for a rule to run; a rule whose needs are not met is left out.

    ``OWN`` is met where the segmentation is the opinion's own, and ``OPINION`` only where it is
    another's.
    """

    SCAN = "scan"
    SEGMENTATION = "segmentation"
    MODEL = "model"
    OPINION = "opinion"
    OWN = "own"
    PROBABILITIES = "probabilities"


class Place(NamedTuple):
    """Where something is: a point to look at and the box that holds it, LPS mm."""

    point: Point
    box: tuple[Point, Point]


@dataclass(frozen=True, kw_only=True)
class Sign:
    """Something a rule measured: a finding if its score is above the threshold.

    Attributes:
        rule: Name of the rule.
        kind: Which of the rule's scores it is, a key of :attr:`Rule.thresholds`.
        structure: Name of the segment; empty when it is about the scan or the whole case.
        score: How odd it is: 0 or more, the larger the odder, in the threshold's unit.
        severity: How much it would matter.
        title: One plain sentence, with a full stop.
        explanation: Why that is odd, one or two sentences; the rule's advice follows it.
        place: Where; ``None`` when it has no place.
        evidence: The numbers behind it. The first one is what the score is made of; where it does
            not say what was expected, the finding says the threshold there.
    """

    rule: str
    kind: str
    structure: str
    score: float
    severity: Severity
    title: str
    explanation: str = ""
    place: Place | None = None
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.score < math.inf:
            raise ValueError(f"{self.rule}: the score {self.score} is not a number from 0 on")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: measures signs of one kind of error. One file a rule, as its ``RULE``.

    Attributes:
        name: Its name, such as ``"geometry.islands"``.
        looks_for: One sentence: what it looks for.
        advice: What to do about it, one or two sentences, for the finding and the help.
        needs: What the context must have.
        thresholds: Default threshold of each kind of score that its signs may have.
        measure: Called with the context; yields every sign with a score above 0, whether or not
            it is above the threshold, because calibration needs the scores of clean cases too.
    """

    name: str
    looks_for: str
    advice: str
    needs: frozenset[Need]
    thresholds: Mapping[str, Threshold]
    measure: Callable[[Context], Iterator[Sign]]
