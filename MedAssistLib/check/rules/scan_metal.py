"""Metal in a CT scan, and the streaks that it throws."""

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
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "scan.metal"
Indices = npt.NDArray[np.int64]
# Above bone and contrast medium; twelve bits end at 3071 HU.
_METAL = 2500.0
_MOST = 10
_LEAST_ML = 0.02
_TOUCHING = np.ones((3, 3, 3), dtype=bool)
# Streaks lie in the slices of the metal, within this of it, but not in its partial volume.
_NEAR_MM, _EDGE_MM = 30.0, 6.0
_STREAKS = 1.7
# The skin is rough by itself.
_SKIN_VOXELS = 3
_NEIGHBOURS = 5
_MOST_SLICES = 8


def _measure(context: Context) -> Iterator[Sign]:
    if context.scan.modality != "CT":
        return
    seen = survey(context)
    metal = seen.values > _METAL
    if not metal.any():
        return
    pieces = _pieces(metal, float(seen.spacing.prod()) / 1000.0)
    usual = _usual_roughness(seen, metal)
    for volume, indices in pieces:
        yield _sign(seen, volume, indices, usual)


def _pieces(metal: Mask, millilitres: float) -> list[tuple[float, Indices]]:
    """Return the largest connected pieces: volume, mL, and the indices (S, P, L) of the voxels."""
    corner = _filled(metal)
    labelled, _ = ndimage.label(metal[corner], _TOUCHING)
    volumes = np.bincount(labelled.ravel())[1:] * millilitres
    boxes = ndimage.find_objects(labelled)
    found = []
    for number in np.argsort(-volumes, kind="stable")[:_MOST]:
        if volumes[number] >= _LEAST_ML:
            starts = [
                cut.start + whole.start for cut, whole in zip(boxes[number], corner, strict=True)
            ]
            inside = np.argwhere(labelled[boxes[number]] == number + 1)
            found.append((float(volumes[number]), inside + np.array(starts)))
    return found


def _filled(mask: Mask) -> tuple[slice, ...]:
    """Return the box that just holds a mask: metal is small, and labelling a whole scan slow."""
    found = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != axis)))
        found.append(slice(int(there[0]), int(there[-1]) + 1))
    return tuple(found)


def _sign(seen: Survey, volume: float, indices: Indices, usual: float) -> Sign:
    streaks = _roughness_near(seen, indices) / usual if usual > 0.0 else 0.0
    strong = streaks > _STREAKS
    seen_as = f" with streaks around it, {streaks:.1f} times the usual noise" if strong else ""
    return Sign(
        rule=_NAME,
        kind="volume",
        structure="",
        score=volume,
        severity=Severity.REVIEW if strong else Severity.INFO,
        title=f"There is metal of {plain(volume, 2)} mL in the scan{seen_as}.",
        explanation="Streaks darken and brighten tissue near metal; contours and intensities "
        "there are unsure.",
        place=seen.place_of(indices),
        evidence=(
            Evidence(quantity="volume above 2500 HU", measured=volume, expected="", unit="mL"),
            Evidence(
                quantity="noise near it over that elsewhere",
                measured=streaks,
                expected=f"below {_STREAKS}",
                unit="1",
            ),
        ),
    )


def _roughness_near(seen: Survey, indices: Indices) -> float:
    """Return the mean roughness of the body around a piece of metal, in its slices."""
    spacing = seen.coarse_spacing[list(seen.in_plane)]
    coarse = np.unique(np.minimum(indices // seen.steps, np.array(seen.coarse.shape) - 1), axis=0)
    total, count = 0.0, 0
    for number in np.unique(coarse[:, seen.through]):
        here = coarse[coarse[:, seen.through] == number]
        values, core = _slice(seen, int(number))
        free = np.ones(values.shape, dtype=bool)
        free[tuple(here[:, list(seen.in_plane)].T)] = False
        away = ndimage.distance_transform_edt(free, sampling=spacing)
        ring = core & (away > _EDGE_MM) & (away < _NEAR_MM)
        total += float(_roughness(values)[ring].sum())
        count += int(np.count_nonzero(ring))
    return total / max(count, 1)


def _usual_roughness(seen: Survey, metal: Mask) -> float:
    """Return the mean roughness of the body in some slices without metal; 0 if there are none."""
    across = seen.through
    other = tuple(axis for axis in range(3) if axis != across)
    touched = np.unique(np.flatnonzero(metal.any(axis=other)) // seen.steps[across])
    clean = np.setdiff1d(np.arange(seen.coarse.shape[across]), touched)
    chosen = clean[np.linspace(0, len(clean) - 1, min(len(clean), _MOST_SLICES)).astype(int)]
    slices = [_slice(seen, int(number)) for number in chosen]
    rough = [_roughness(values)[core] for values, core in slices]
    joined = np.concatenate(rough) if rough else np.empty(0)
    return float(joined.mean()) if joined.size else 0.0


def _slice(seen: Survey, number: int) -> tuple[npt.NDArray[np.float32], Mask]:
    """Return a slice of the coarse copy, and the body in it without its skin."""
    values, body = (np.moveaxis(array, seen.through, 0) for array in (seen.coarse, seen.body))
    core: Mask = ndimage.binary_erosion(body[number], iterations=_SKIN_VOXELS)
    return values[number], core


def _roughness(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return how much each value of a slice differs from the median of those around it."""
    rough: npt.NDArray[np.float32] = np.abs(values - ndimage.median_filter(values, _NEIGHBOURS))
    return rough


RULE = Rule(
    name=_NAME,
    looks_for="Metal in a CT scan, and the streaks that it throws.",
    advice="Check the contours near the metal by eye; a reconstruction with metal artefact "
    "reduction helps.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "volume": Threshold(
            value=0.05, unit="mL", source="0 on 4 real CT scans; 1.2 and 12 on 2 with an implant"
        )
    },
    measure=_measure,
)
