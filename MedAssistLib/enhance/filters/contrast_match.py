"""Matching the histogram to a reference scan's (Nyul et al. 2000, doi:10.1109/42.836373)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.contrast import along_curve
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, file, option
from MedAssistLib.enhance.voxels import Values
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress

_BINS = 1024


@dataclass(frozen=True, kw_only=True)
class MatchOptions(Options):
    """What is matched, and how closely."""

    reference: str = file(help="Image file whose grey values this scan shall get")
    points: int = option(
        15, least=1, most=200, unit="1", help="Quantiles that are matched; values between follow"
    )


def _prepare(image: sitk.Image, options: MatchOptions, progress: Progress) -> tuple[Values, Values]:
    """Return the points of the curve from the image's values to the reference's."""
    reference = _read(options.reference)
    progress.check()
    x, y = (_landmarks(i, options.points) for i in (image, reference))
    apart = np.concatenate([[True], np.diff(x) > 0.0])
    return x[apart], y[apart]


def _landmarks(image: sitk.Image, points: int) -> Values:
    """Return minimum, mean, quantiles of what is above the mean, and maximum, as ITK chooses them.

    What is below the mean is mostly air; it is mapped as one stretch.
    """
    values = sitk.GetArrayViewFromImage(image)
    values = values[np.isfinite(values)].astype(np.float64)
    low, mean, high = float(values.min()), float(values.mean()), float(values.max())
    counts, edges = np.histogram(values[values >= mean], _BINS, (mean, high))
    share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    quantiles = np.interp(np.arange(1, points + 1) / (points + 1), share, edges)
    return np.concatenate([[low, mean], quantiles, [high]])


def _read(path: str) -> sitk.Image:
    hint = "Give an image file such as .nii.gz, .nrrd or .mha"
    if not Path(path).is_file():
        raise InputError("there is no such file", where=path, hint=hint)
    try:
        reference = sitk.ReadImage(path, sitk.sitkFloat32)
    except RuntimeError as error:
        raise InputError("cannot be read as an image", where=path, hint=hint) from error
    if (
        reference.GetNumberOfPixels() < 2
        or not np.isfinite(sitk.GetArrayViewFromImage(reference)).any()
    ):
        raise InputError("has no values", where=path, hint=hint)
    return reference


FILTER = FilterKind(
    name="contrast.match",
    help="Gives a scan the grey values of another: use it to compare or segment MR of different "
    "scanners; HU are lost.",
    options=MatchOptions,
    prepare=_prepare,
    compute=along_curve,
    tolerance=0.02,
    keeps_unit=False,
)
