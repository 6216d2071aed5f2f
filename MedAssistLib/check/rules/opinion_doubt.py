"""Where a model doubts its own answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.compared import Compared, compared
from MedAssistLib.check.context import Context
from MedAssistLib.check.opinion import Opinion
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain

_NAME = "opinion.doubt"
# A patch of doubt is as large as a bell of this standard deviation, in voxels.
_PATCH = 1.5


def _measure(context: Context) -> Iterator[Sign]:
    if context.opinion is not None:
        for structure in context.structures:
            # The structure beside itself is a block with some room around it.
            yield _doubt(compared(structure, structure, context.opinion), context.opinion)


def _doubt(block: Compared, opinion: Opinion) -> Sign:
    likely = opinion.probability(block.drawn)
    mask = block.drawn.mask
    agreed = 2.0 * float(likely[mask].sum()) / (block.drawn.voxels + float(likely.sum()))
    around = block.around(np.minimum(likely, 1.0 - likely), _PATCH)
    most = np.array(np.unravel_index(int(around.argmax()), around.shape))
    dice = plain(agreed, 2)
    return Sign(
        rule=_NAME,
        kind="whole",
        structure=block.name,
        score=max(1.0 - agreed, 0.0),
        severity=Severity.REVIEW,
        title=f"The model is unsure of {block.name}: it expects a Dice coefficient of {dice}.",
        explanation="It would draw some of it otherwise as easily, most of all at the point shown.",
        place=Place(block.drawn.point(most), block.whole.box),
        evidence=(
            Evidence(
                quantity="1 less the Dice coefficient that the probabilities let expect",
                measured=1.0 - agreed,
                expected="",
                unit="1",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Structures of which the model that drew them is unsure.",
    advice="Look at the outline as if nobody had drawn it.",
    needs=frozenset({Need.OWN, Need.PROBABILITIES}),
    thresholds={
        "whole": Threshold(
            value=0.3,
            unit="1",
            source="an expected Dice coefficient below 0.7; at least 0.84 in 208 hippocampi",
        )
    },
    measure=_measure,
)
