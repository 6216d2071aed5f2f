"""Normalising to mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, choice
from MedAssistLib.enhance.voxels import body_threshold, sample
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class NormaliseOptions(Options):
    """Which voxels the mean and deviation are taken from."""

    of: str = choice("body", "body", "all", help="Voxels whose mean and deviation become 0 and 1")


def _prepare(
    image: sitk.Image, options: NormaliseOptions, _progress: Progress
) -> tuple[float, float]:
    """Return mean and standard deviation."""
    values = sample(image)
    if options.of == "body":
        values = values[values > body_threshold(image, None)]
    if not values.size:
        return 0.0, 1.0
    return float(values.mean()), float(values.std()) or 1.0


def _compute(
    image: sitk.Image,
    _options: NormaliseOptions,
    progress: Progress,
    moments: tuple[float, float],
) -> sitk.Image:
    scale = sitk.ShiftScaleImageFilter()
    scale.SetShift(-moments[0])
    scale.SetScale(1.0 / moments[1])
    normal: sitk.Image = run(scale, progress, image)
    return normal


FILTER = FilterKind(
    name="contrast.normalise",
    help="Brings the body to mean 0 and deviation 1: use it to compare MR scans, whose values have "
    "no unit; HU are lost.",
    options=NormaliseOptions,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.02,
    keeps_unit=False,
)
