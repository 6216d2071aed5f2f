"""A scan with larger voxels than those that the model learned from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.trained_on import voxel_sizes

_NAME = "scan.training"
_ALONG = ("from left to right", "from front to back", "from bottom to top")


def _measure(context: Context) -> Iterator[Sign]:
    card = context.options.card
    known = voxel_sizes(card) if card else ()
    if card is None or not known:
        return
    here = upright_spacing(context.scan.image)
    ratios = [mm / one.maximum for mm, one in zip(here, known, strict=True)]
    worst = int(np.argmax(ratios))
    if ratios[worst] <= 1.0:
        return
    mm, most = here[worst], known[worst].maximum
    yield Sign(
        rule=_NAME,
        kind="coarse",
        structure="",
        score=ratios[worst],
        severity=Severity.REVIEW,
        title=f"Voxels are {mm:.3g} mm apart {_ALONG[worst]}; the model {card.name} learned from "
        f"at most {most:.3g} mm.",
        explanation="Borders and thin parts that the model knows are not to be seen then.",
        evidence=(
            Evidence(
                quantity="distance of voxels",
                measured=mm,
                expected=f"at most {most:.3g}",
                unit="mm",
            ),
        ),
    )


def upright_spacing(image: sitk.Image) -> tuple[float, float, float]:
    """Return mm from voxel to voxel along the axes next to left-right, front-back, bottom-top."""
    letters, spacing = geometry.orientation(image), image.GetSpacing()
    x, y, z = (
        next(mm for letter, mm in zip(letters, spacing, strict=True) if letter in pair)
        for pair in ("LR", "AP", "IS")
    )
    return x, y, z


RULE = Rule(
    name=_NAME,
    looks_for="A scan with larger voxels than those that the model learned from.",
    advice="Look closely at thin parts and borders, or choose a model for such scans.",
    needs=frozenset({Need.SCAN, Need.MODEL}),
    thresholds={
        "coarse": Threshold(
            value=2.5,
            unit="1",
            source="hippocampi lose 0.03 to 0.06 of their Dice coefficient at 2.5 times, "
            "0.07 to 0.15 at 4 times the distance",
        )
    },
    measure=_measure,
)
