"""A made-up body with known organs, for the tests of the check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan, Segment, Segmentation
from MedAssistLib.check import Context, measured, rule_kinds
from MedAssistLib.check.merge import findings_of
from MedAssistLib.check.thresholds import NOT_CALIBRATED
from MedAssistLib.models import anatomy
from Testing import orientations

DRAWING = {
    name: rule
    for name, rule in rule_kinds().items()
    if name.startswith(("geometry.", "anatomy.", "shape."))
}
"""The rules that look at the drawing alone."""

Mask = npt.NDArray[np.bool_]

_SPACING = (2.0, 2.0, 3.0)
_SIZE = (104, 70, 50)
_ORIGIN = (-103.0, -60.0, -74.0)
# Centre and half axes along L, P, S, mm; turned a little, so that no slice is like another.
_ORGANS = {
    "liver": ((-48.3, -7.1, 8.2), (42.0, 36.0, 31.0)),
    "spleen": ((61.4, 17.3, 14.9), (17.0, 16.0, 29.0)),
    "kidney_left": ((43.7, 33.2, -30.6), (13.5, 14.5, 24.0)),
    "kidney_right": ((-46.2, 38.1, -39.3), (14.0, 13.0, 25.0)),
    "vertebrae_T11": ((0.4, 55.3, 46.1), (15.0, 12.0, 11.5)),
    "vertebrae_T12": ((-0.3, 55.8, 16.2), (15.5, 12.5, 11.0)),
    "vertebrae_L1": ((0.7, 54.9, -14.4), (16.0, 12.0, 11.8)),
    "vertebrae_L2": ((-0.6, 55.1, -45.3), (16.5, 12.8, 11.2)),
}
_RIBS = {"rib_left_9": (1, 40.0), "rib_left_10": (1, 20.0), "rib_right_9": (-1, 41.0),
         "rib_right_10": (-1, 19.0)}  # fmt: skip
_RIB_RADIUS = 4.2


@cache
def body() -> tuple[Scan, Segmentation]:
    """Return a scan of 104×70×50 voxels of 2×2×3 mm and twelve structures in it, all correct."""
    grid = sitk.Image(list(_SIZE), sitk.sitkUInt8)
    grid.SetSpacing(_SPACING)
    grid.SetOrigin(_ORIGIN)
    names = dict(enumerate([*_ORGANS, *_RIBS], 1))
    labels = np.zeros(_SIZE[::-1], dtype=np.uint8)
    points = _points(grid)
    for label, name in names.items():
        labels[_mask(name, points) & (labels == 0)] = label
    return body_of(labels, grid, anatomy.segments(names))


def body_of(
    labels: npt.NDArray[np.uint8], grid: sitk.Image, segments: Sequence[Segment]
) -> tuple[Scan, Segmentation]:
    """Return a scan that shows what a label array (k, j, i) says, and the segmentation."""
    noise = np.random.default_rng(3).normal(0.0, 8.0, labels.shape)
    values = np.where(labels > 0, 60.0 + labels, -80.0) + noise
    image = sitk.GetImageFromArray(values.astype(np.int16))
    drawn = sitk.GetImageFromArray(labels)
    for made in (image, drawn):
        made.CopyInformation(grid)
    return (
        Scan(image=image, modality="CT", name="body"),
        Segmentation(labels=drawn, segments=tuple(segments), made_by="test"),
    )


def changed(segmentation: Segmentation, labels: npt.NDArray[np.integer]) -> Segmentation:
    """Return a segmentation with other labels, an array (k, j, i), on the same grid."""
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(segmentation.labels)
    return replace(segmentation, labels=image)


def renamed_as(segmentation: Segmentation, names: dict[int, str]) -> Segmentation:
    """Return a segmentation whose structures, all that are there, have a data set's names."""
    table = {segment.label: segment for segment in anatomy.segments(names)}
    segments = tuple(table[segment.label] for segment in segmentation.segments)
    return replace(segmentation, segments=segments)


def array(segmentation: Segmentation) -> npt.NDArray[np.integer]:
    """Return a copy of the labels, axes (k, j, i)."""
    return sitk.GetArrayFromImage(segmentation.labels)


def label_of(segmentation: Segmentation, name: str) -> int:
    """Return the label value of a structure."""
    return next(s.label for s in segmentation.segments if s.name == name)


def segment_of(segmentation: Segmentation, name: str) -> Segment:
    """Return a structure by its name."""
    return next(s for s in segmentation.segments if s.name == name)


def drawing_findings(
    scan: Scan, segmentation: Segmentation, layers: Sequence[Segmentation] = ()
) -> list[Finding]:
    """Return what is found in the drawing: not about the scan, the values in it, the volumes."""
    context = Context(scan=scan, segmentation=segmentation, layers=tuple(layers))
    return list(findings_of(measured(context, DRAWING), DRAWING, NOT_CALIBRATED))


def stored(
    scan: Scan, segmentation: Segmentation, order: tuple[int, ...], flips: tuple[bool, ...]
) -> tuple[Scan, Segmentation]:
    """Return the same scan and segmentation with their axes in another order and direction."""
    image = orientations.stored(scan.image, order, flips)
    labels = orientations.stored(segmentation.labels, order, flips)
    return replace(scan, image=image), replace(segmentation, labels=labels)


def _points(grid: sitk.Image) -> npt.NDArray[np.float64]:
    """Return the LPS points of the voxels, shape (k, j, i, 3)."""
    axes = (
        start + step * np.arange(count)
        for start, step, count in zip(
            grid.GetOrigin(), grid.GetSpacing(), grid.GetSize(), strict=True
        )
    )
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return np.stack([x.T, y.T, z.T], axis=-1)


def _mask(name: str, points: npt.NDArray[np.float64]) -> Mask:
    if name in _RIBS:
        side, height = _RIBS[name]
        return _rib(side, height, points)
    centre, half = _ORGANS[name]
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.21, -0.13, 0.17)
    away = (points - centre) @ np.array(turn.GetMatrix()).reshape(3, 3)
    return np.square(away / half).sum(axis=-1) <= 1.0


def _rib(side: int, height: float, points: npt.NDArray[np.float64]) -> Mask:
    """Return a tube that runs from beside the spine round the side, falling by 45 mm."""
    mask = np.zeros(points.shape[:3], dtype=bool)
    for angle in np.linspace(0.25, 1.9, 60):
        x, y = side * (12.0 + 78.0 * np.sin(angle)), 62.0 * np.cos(angle)
        away = points - (x, y, height - 27.0 * (angle - 0.25))
        mask |= np.square(away).sum(axis=-1) <= _RIB_RADIUS**2
    return mask
