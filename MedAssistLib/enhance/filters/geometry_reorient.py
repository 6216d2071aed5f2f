"""Another storage order: axes are swapped and flipped, no voxel moves in space."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, choice
from MedAssistLib.progress import Progress

_CODES = tuple(
    "".join(letters)
    for axes in itertools.permutations(("LR", "PA", "SI"))
    for letters in itertools.product(*axes)
)


@dataclass(frozen=True, kw_only=True)
class ReorientOptions(Options):
    """Which way the axes point."""

    orientation: str = choice(
        "LPS",
        *_CODES,
        help="Where the columns, rows and slices run to: L left, R right, P back, A front, S head, "
        "I feet",
    )


def _compute(
    image: sitk.Image, options: ReorientOptions, progress: Progress, _state: None
) -> sitk.Image:
    orient = sitk.DICOMOrientImageFilter()
    orient.SetDesiredCoordinateOrientation(options.orientation)
    turned: sitk.Image = run(orient, progress, image)
    return turned


FILTER = FilterKind(
    name="geometry.reorient",
    help="Stores the voxels in another order, values unchanged: use it for programs that ignore "
    "where the axes point.",
    options=ReorientOptions,
    compute=_compute,
    keeps_grid=False,
)
