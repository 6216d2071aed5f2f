"""The planes of a segmentation, as DICOM keeps them, and the source images that each came from.

A segmentation lies on its own grid. Where that is the grid of its source, plane k is slice k. Where
the slices are tilted or uneven, MedAssist read them onto a regular grid: the segmentation stays on
that grid, in the frame of reference of its source, so that no voxel moves; drawn back onto the
slices it would be cut, and most readers take nothing but regular planes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.export.dicom.grids import on_grid
from MedAssistLib.export.dicom.sources import Source, SourceFrame


class Origin(NamedTuple):
    """Where a plane came from.

    Attributes:
        frames: The source images, none if the grid is another one.
        same: Whether each of the plane's pixels is that pixel of the source image.
    """

    frames: tuple[SourceFrame, ...]
    same: bool


def in_planes(labels: sitk.Image, source: Source) -> tuple[sitk.Image, list[Origin]]:
    """Return labels with the axes of their source, and where each plane (axis k) came from.

    No voxel moves. Labels on another grid stay as they are and came from no single image: each
    plane has a position of its own, so that DICOM does not mind which way k runs.
    """
    turned = on_grid(labels, source.grid)
    if turned is not None:
        return turned, [_origin(k, source) for k in range(source.grid.size[2])]
    return labels, [Origin((), same=False)] * labels.GetSize()[2]


def _origin(k: int, source: Source) -> Origin:
    """Return the slice that lies at plane k, or the two that it was interpolated from."""
    levels: npt.NDArray[np.float64] = source.grid.levels
    below = int(np.searchsorted(levels, k, side="right")) - 1
    if levels[below] == k:
        return Origin((source.frames[below],), same=not source.grid.shifts.any())
    return Origin(source.frames[below : below + 2], same=False)
