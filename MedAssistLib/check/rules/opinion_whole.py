"""Structures that are all round larger or smaller than the model's, or unlike them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.compared import Compared
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain

_NAME = "opinion.whole"


def _measure(context: Context) -> Iterator[Sign]:
    for pair in context.compared():
        outside, inside = (
            float(weight.sum()) * pair.drawn.voxel_volume / pair.area
            for weight in (pair.outside, pair.inside)
        )
        kind = "larger" if outside > inside else "smaller"
        if outside != inside:
            yield _sign(pair, kind, abs(outside - inside))
        if outside + inside > 0.0:
            yield _sign(pair, "unlike", outside + inside)


def _sign(pair: Compared, kind: str, mean: float) -> Sign:
    far = plain(mean, 2)
    titles = {
        "larger": f"{pair.name} is drawn larger than the model sees it, by {far} mm all round.",
        "smaller": f"{pair.name} is drawn smaller than the model sees it, by {far} mm all round.",
        "unlike": f"{pair.name} is drawn unlike the model sees it, by {far} mm all round.",
    }
    return Sign(
        rule=_NAME,
        kind=kind,
        structure=pair.name,
        score=mean / pair.width,
        severity=Severity.REVIEW,
        title=titles[kind],
        explanation="The model rarely differs so much from correct labels.",
        place=pair.whole,
        evidence=(
            Evidence(
                quantity="mean distance of both surfaces, weighed by how sure the model is",
                measured=mean,
                expected="",
                unit="mm",
            ),
            Evidence(
                quantity="Dice coefficient of both", measured=_dice(pair), expected="1", unit="1"
            ),
            Evidence(
                quantity="volume over the model's",
                measured=pair.drawn.voxels / np.count_nonzero(pair.model),
                expected="1",
                unit="1",
            ),
        ),
    )  # fmt: skip


def _dice(pair: Compared) -> float:
    both = np.count_nonzero(pair.drawn.mask & pair.model)
    return 2.0 * both / (pair.drawn.voxels + np.count_nonzero(pair.model))


RULE = Rule(
    name=_NAME,
    looks_for="Structures that are all round larger or smaller than the model's, or unlike them.",
    advice="Compare both with the edge in the image, all round.",
    needs=frozenset({Need.SEGMENTATION, Need.OPINION}),
    thresholds={
        "larger": Threshold(
            value=0.3, unit="1", source="voxels; up to 0.29 in 208 clean hippocampi"
        ),
        "smaller": Threshold(
            value=0.33, unit="1", source="voxels; up to 0.32 in 208 clean hippocampi"
        ),
        "unlike": Threshold(
            value=0.42, unit="1", source="voxels; up to 0.41 in 207 of 208 clean hippocampi"
        ),
    },
    measure=_measure,
)
