"""Two organs on a grid of unlike sides, drawn and as a model sees them, for second-reader tests."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check import Context, Opinion, measured, rule_kinds
from MedAssistLib.check.merge import findings_of
from MedAssistLib.check.rule import Rule
from MedAssistLib.check.thresholds import NOT_CALIBRATED
from MedAssistLib.models import anatomy

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

SPACING = (1.0, 1.2, 2.0)
SIZE = (64, 56, 40)
NAMES = {1: "Liver", 2: "Spleen", 3: "Pancreas"}
LIVER, SPLEEN = 1, 2
OPINION: dict[str, Rule] = {
    name: rule
    for name, rule in rule_kinds().items()
    if name.startswith("opinion.") or name == "geometry.labels"
}
"""The rules that compare with a model."""


def points() -> npt.NDArray[np.float64]:
    """Return the LPS points of the voxels, mm, shape (k, j, i, 3)."""
    axes = [step * np.arange(count) for step, count in zip(SPACING, SIZE, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return np.stack([x.T, y.T, z.T], axis=-1)


def ellipsoid(centre: tuple[float, ...], half: tuple[float, ...]) -> Mask:
    """Return the voxels within half axes (mm) of a centre (LPS mm)."""
    return np.square((points() - centre) / np.array(half)).sum(axis=-1) <= 1.0


@cache
def truth() -> Labels:
    """Return the labels that the model gives, axes (k, j, i); its pancreas is empty."""
    labels = np.zeros(SIZE[::-1], dtype=np.uint8)
    labels[ellipsoid((22.3, 31.4, 38.7), (14.0, 16.0, 19.0))] = LIVER
    labels[ellipsoid((48.1, 35.2, 40.9), (8.5, 9.5, 12.0))] = SPLEEN
    labels.setflags(write=False)
    return labels


def segmentation(labels: npt.NDArray[np.integer], made_by: str = "person") -> Segmentation:
    """Return labels (k, j, i) as a segmentation."""
    grid = sitk.Image(list(SIZE), sitk.sitkUInt8)
    grid.SetSpacing(SPACING)
    image = geometry.from_array(labels.astype(np.uint8), grid)
    return Segmentation(labels=image, segments=anatomy.segments(NAMES), made_by=made_by)


def opinion(probabilities: npt.NDArray[np.floating] | None = None) -> Opinion:
    """Return the model's opinion; probabilities have the axes (structure, k, j, i)."""
    half = None if probabilities is None else probabilities.astype(np.float16)
    return Opinion(segmentation=segmentation(truth(), "model"), probabilities=half)


def findings(made: Segmentation, second: Opinion) -> list[Finding]:
    """Return what the rules tell that compare a drawing with a model."""
    values = sitk.GetArrayFromImage(made.labels).astype(np.int16)
    scan = Scan(image=geometry.from_array(values, made.labels), modality="CT")
    context = Context(scan=scan, segmentation=made, opinion=second)
    able = {name: rule for name, rule in OPINION.items() if rule.needs <= context.has}
    return list(findings_of(measured(context, able), OPINION, NOT_CALIBRATED))


def with_liver(mask: Mask) -> Labels:
    """Return the labels with another liver, which takes nothing of the spleen."""
    labels = np.where(truth() == LIVER, 0, truth())
    labels[mask & (labels == 0)] = LIVER
    return labels
