"""Sheetness: how much each voxel looks like a part of a thin plate."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.tubes import StructureOptions, contrast_of, strongest, structure_reach
from MedAssistLib.enhance.voxels import Slices
from MedAssistLib.progress import Progress


def _compute(
    image: sitk.Image, options: StructureOptions, progress: Progress, contrast: float
) -> sitk.Image:
    return strongest(image, 2, options, progress, contrast)


def _part(
    image: sitk.Image,
    options: StructureOptions,
    progress: Progress,
    contrast: float,
    keep: Slices,
) -> sitk.Image:
    return strongest(image, 2, options, progress, contrast, keep=keep)


FILTER = FilterKind(
    name="structure.sheetness",
    help="Shows thin plates, from 0 to 1: use it on cortical bone, fissures of the lung or the "
    "skull's vault.",
    options=StructureOptions,
    prepare=contrast_of,
    compute=_compute,
    part=_part,
    reach=structure_reach,
    tolerance=0.02,
)
