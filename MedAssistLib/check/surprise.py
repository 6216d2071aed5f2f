"""How unusual a score is among cases of which most, but not all, are as they should be.

The tail of the scores is taken for an exponential one. It is fitted to those between the 75th and
the 90th percentile: what lies above, where the errors are, has no say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from MedAssistLib.check.calibration import Key, floor_of
from MedAssistLib.check.rule import Rule

_TAIL, _ERRORS = 0.25, 0.1
# The mean of what is fitted, in units of the scale: that of -log(u) for u evenly from a to 1.
_A = _ERRORS / _TAIL
_MEAN = 1.0 + _A * math.log(_A) / (1.0 - _A)
# Where most cases have no score at all, a third of the rule's own threshold is one e-fold.
_FOLDS_TO_THRESHOLD = 3.0


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The upper end of a score's distribution over correct cases.

    Attributes:
        share: Of the cases that lie above ``start``.
        start: Where the tail begins.
        scale: Over which it falls to 1/e; 0 if nothing is known of it.
    """

    share: float
    start: float
    scale: float

    def decades(self, score: float) -> float:
        """Return how rare so large a score is: 3 for one correct case of 1000."""
        if score <= self.start:
            return 0.0
        beyond = (score - self.start) / self.scale if self.scale else 0.0
        return (beyond - math.log(self.share)) / math.log(10.0)

    def score(self, decades: float) -> float:
        """Return the score that is so rare."""
        return self.start + self.scale * max(decades * math.log(10.0) + math.log(self.share), 0.0)


def tails(largest: Sequence[Mapping[Key, float]], rules: Mapping[str, Rule]) -> dict[Key, Tail]:
    """Return the tail of each score.

    Args:
        largest: The largest score of each case for each key; a key that is missing has 0.
        rules: The rules by name.
    """
    scores: dict[Key, list[float]] = {}
    for own in largest:
        for key, score in own.items():
            scores.setdefault(key, []).extend([score] if score > 0.0 else [])
    return {
        key: _tail(sorted(found, reverse=True), len(largest), floor_of(key, rules))
        for key, found in scores.items()
    }


def _tail(scores: list[float], cases: int, floor: float) -> Tail:
    """Fit a tail to some cases' scores above 0, the largest first; the other cases have 0."""
    first, last = round(_ERRORS * cases), max(round(_TAIL * cases), 1)
    if len(scores) <= last:
        # In most cases there is none: what there is may all be errors.
        share = max(len(scores), 1) / cases
        return Tail(share=share, start=0.0, scale=floor / _FOLDS_TO_THRESHOLD)
    above = [score - scores[last] for score in scores[first:last]]
    scale = sum(above) / len(above) / _MEAN if above else 0.0
    return Tail(share=last / cases, start=scores[last], scale=scale)
