"""A structure that is far larger or smaller than all that the model learned from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.trained_on import Spread, volumes
from MedAssistLib.check.words import plain

_NAME = "volume.training"
# From the 10th to the 90th percentile of a normal distribution, in standard deviations.
_WIDTH = 2.0 * NormalDist().inv_cdf(0.9)
# Structures of one size in all cases would make every other size a wonder.
_NARROWEST = math.log(1.1) / _WIDTH


def _measure(context: Context) -> Iterator[Sign]:
    card = context.options.card
    known = volumes(card) if card else {}
    for structure in context.structures:
        spread = known.get(structure.name)
        # What the scan cuts off has no volume to compare.
        if spread and card and not structure.cut:
            score = _score(structure.volume / 1000.0, spread)
            if score > 0.0:
                yield _sign(structure, score, spread, card.name)


def _score(millilitres: float, spread: Spread) -> float:
    """Return how many standard deviations beyond the middle; 0 among those of the training.

    Sizes spread by factors, so logarithms are compared.
    """
    if spread.minimum <= millilitres <= spread.maximum:
        return 0.0
    deviation = math.log(spread.percentile_90 / spread.percentile_10) / _WIDTH
    return abs(math.log(millilitres / spread.median)) / max(deviation, _NARROWEST)


def _sign(structure: Structure, score: float, spread: Spread, model: str) -> Sign:
    millilitres = structure.volume / 1000.0
    size = "larger" if millilitres > spread.median else "smaller"
    usual = f"{plain(spread.minimum)} to {plain(spread.maximum)}"
    return Sign(
        rule=_NAME,
        kind="z",
        structure=structure.name,
        score=score,
        severity=Severity.REVIEW,
        title=f"{structure.name} has {plain(millilitres)} mL, {size} than all that the model "
        f"{model} learned from ({usual} mL).",
        explanation=f"It lies {score:.1f} standard deviations from their middle, of "
        f"{plain(spread.median)} mL.",
        place=structure.whole,
        evidence=(
            Evidence(quantity="volume", measured=millilitres, expected=usual, unit="mL"),
            Evidence(quantity="z-score", measured=score, expected="below 3.3", unit="1"),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="A structure that is far larger or smaller than all that the model learned from.",
    advice="Look whether it is drawn whole and without its neighbours; if it is, the model may not "
    "know the like of it.",
    needs=frozenset({Need.SEGMENTATION, Need.MODEL}),
    thresholds={
        "z": Threshold(
            value=3.29, unit="1", source="1 of 1000 of a normal distribution lies beyond it"
        )
    },
    measure=_measure,
)
