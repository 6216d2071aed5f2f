"""The planes of a segmentation, as DICOM keeps them, and the source images that each came from.

A segmentation lies on its own grid. Where that is the grid of its source, plane k is slice k. Where
the slices are tilted or uneven, MedAssist read them onto a regular grid: the segmentation stays on
that grid, in the frame of reference of its source, so that no voxel moves; drawn back onto the
slices it would be cut, and most readers take nothing but regular planes.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.export.dicom.sources import Source, SourceFrame
from MedAssistLib.read.dicom.geometry import Grid

_TOLERANCE = 1e-3
"""Share of a voxel by which files round places."""


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
    turned = _on_grid(labels, source.grid)
    if turned is not None:
        return turned, [_origin(k, source) for k in range(source.grid.size[2])]
    return labels, [Origin((), same=False)] * labels.GetSize()[2]


def _on_grid(labels: sitk.Image, grid: Grid) -> sitk.Image | None:
    """Return the labels with the axes of a grid if they have its voxels, otherwise ``None``."""
    directions = [float(value) for value in grid.direction.ravel()]
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(directions)
    turned = sitk.DICOMOrient(labels, code)
    if turned.GetSize() != grid.size:
        return None
    matrix = np.eye(4)
    matrix[:3, :3] = grid.direction * np.array(grid.spacing)
    matrix[:3, 3] = grid.origin
    corners = np.array([(*c, 1.0) for c in itertools.product(*((0, n - 1) for n in grid.size))])
    apart = corners @ (geometry.index_to_lps(turned) - matrix).T
    return turned if np.abs(apart).max() <= _TOLERANCE * min(grid.spacing) else None


def _origin(k: int, source: Source) -> Origin:
    """Return the slice that lies at plane k, or the two that it was interpolated from."""
    levels: npt.NDArray[np.float64] = source.grid.levels
    below = int(np.searchsorted(levels, k, side="right")) - 1
    if levels[below] == k:
        return Origin((source.frames[below],), same=not source.grid.shifts.any())
    return Origin(source.frames[below : below + 2], same=False)
