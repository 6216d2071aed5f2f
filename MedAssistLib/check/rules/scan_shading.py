"""An MR scan that is brighter on one side than on the other (bias field)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import Survey, survey
from MedAssistLib.check.thresholds import Threshold

_NAME = "scan.shading"
# Blocks that hold a mixture of tissues, over which brightness changes little.
_BLOCK_MM = 20.0
_LEAST_FILLED = 0.3
_LEAST_BLOCKS = 30
# The darkest part of a body is fluid, air and bone.
_DARK_PERCENTILE = 30.0
_ROUNDS = 10
_TUNING = 1.5


def _measure(context: Context) -> Iterator[Sign]:
    if context.scan.modality != "MR":
        return
    seen = survey(context)
    places, brightness = _blocks(seen)
    if len(places) < _LEAST_BLOCKS:
        return
    field = _smooth(places, brightness)
    low, high = np.percentile(field, (5.0, 95.0))
    ratio = float(np.exp(high - low))
    yield Sign(
        rule=_NAME,
        kind="ratio",
        structure="",
        score=ratio,
        severity=Severity.REVIEW,
        title=f"The scan is shaded: the same tissue is {ratio:.1f} times as bright on one side.",
        explanation="The coil's sensitivity shows in the image; models and thresholds take the "
        "shade for a difference of tissue.",
        evidence=(
            Evidence(
                quantity="bright over dark end of the shade",
                measured=ratio,
                expected="",
                unit="1",
            ),
        ),
    )


def _blocks(seen: Survey) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the middles (mm) of blocks of bright tissue and the log of their median."""
    values, spacing = seen.coarse, seen.coarse_spacing
    inside = ndimage.minimum_filter(seen.body, 3) & (values > 0.0)
    if not inside.any():
        return np.empty((0, 3)), np.empty(0)
    bright = inside & (values > np.percentile(values[seen.body], _DARK_PERCENTILE))
    indices = np.argwhere(bright)
    voxels = np.maximum(1, np.round(_BLOCK_MM / spacing)).astype(int)
    keys = np.ravel_multi_index((indices // voxels).T, values.shape)
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    logs = np.log(values[bright])[order]
    pieces = list(zip(np.split(indices[order], cuts), np.split(logs, cuts), strict=True))
    full = [piece for piece in pieces if len(piece[1]) >= _LEAST_FILLED * voxels.prod()]
    places = [piece[0].mean(axis=0) * spacing for piece in full]
    return np.array(places).reshape(-1, 3), np.array([np.median(piece[1]) for piece in full])


def _smooth(
    places: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the second-order surface through values, at their places, hardly led by outliers.

    Fitted by Huber's weights (doi:10.1214/aoms/1177703732).
    """
    x, y, z = ((places - places.mean(axis=0)) / (np.ptp(places, axis=0).max() / 2.0)).T
    terms = np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, y * z, x * z], axis=1)
    weights = np.ones(len(values))
    fitted = values
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        answer = np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        fitted = terms @ answer
        away = np.abs(values - fitted)
        scale = _TUNING * max(1.4826 * float(np.median(away)), 1e-9)
        weights = scale / np.maximum(away, scale)
    return fitted


RULE = Rule(
    name=_NAME,
    looks_for="An MR scan that is brighter on one side than on the other (bias field).",
    advice="Run Enhance with bias.n4 before a model that was not trained on such scans.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "ratio": Threshold(
            value=1.6,
            unit="1",
            source="1.16 to 1.26 on 3 real MR scans; 1.79 and more with a field from 1 to 4",
        )
    },
    measure=_measure,
)
