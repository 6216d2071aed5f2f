"""A scan of another kind than the model was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import survey
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.models.card import ModelCard

_NAME = "scan.model"


def _measure(context: Context) -> Iterator[Sign]:
    card = context.options.card
    if card is None:
        return
    if card.modality and context.scan.modality and card.modality != context.scan.modality:
        yield _modality(card, context.scan.modality)
    elif (bounds := _bounds(card)) is not None:
        yield from _intensities(context, card, *bounds)


def _modality(card: ModelCard, modality: str) -> Sign:
    return Sign(
        rule=_NAME,
        kind="modality",
        structure="",
        score=1.0,
        severity=Severity.URGENT,
        title=f"The scan is {modality}, but the model {card.name} was trained on {card.modality}.",
        explanation="Whatever it draws on such a scan means nothing.",
        evidence=(
            Evidence(
                quantity=f"modality other than {card.modality}",
                measured=1.0,
                expected="0",
                unit="1",
            ),
        ),
    )


def _intensities(context: Context, card: ModelCard, low: float, high: float) -> Iterator[Sign]:
    seen = survey(context)
    inside = seen.coarse[seen.body]
    if not inside.size:
        return
    share = 100.0 * float(np.mean((inside < low) | (inside > high)))
    if share <= 0.0:
        return
    yield Sign(
        rule=_NAME,
        kind="intensity",
        structure="",
        score=share,
        severity=Severity.URGENT,
        title=f"{share:.0f} % of the body lies outside the intensities from {low:.0f} to "
        f"{high:.0f} that the model {card.name} was trained on.",
        explanation="The model clips them: it sees one value there.",
        evidence=(
            Evidence(
                quantity="share of the body outside the model's range",
                measured=share,
                expected="",
                unit="%",
            ),
        ),
    )


def _bounds(card: ModelCard) -> tuple[float, float] | None:
    """Return the intensities that a model of one channel clips to; ``None`` if it does not say."""
    channels = card.intensity.get("channels")
    if not isinstance(channels, list) or len(channels) != 1:
        return None
    entry: Mapping[str, Any] = channels[0]
    low, high = (float(entry.get(name, 0.0)) for name in ("low", "high"))
    return (low, high) if entry.get("scheme") == "ct" and low < high else None


RULE = Rule(
    name=_NAME,
    looks_for="A scan of another kind than the model was trained on.",
    advice="Choose a model for this kind of scan.",
    needs=frozenset({Need.SCAN, Need.MODEL}),
    thresholds={
        "modality": Threshold(value=0.0, unit="1", source="any other modality is told"),
        "intensity": Threshold(value=90.0, unit="%", source="hardly anything is left to see"),
    },
    measure=_measure,
)
