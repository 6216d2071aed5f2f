"""Whether an image lies on the grid of a DICOM series, whatever the order of its axes."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.read.dicom.geometry import Grid

ROUNDED = 1e-3
"""Share of a voxel by which files round places."""


def on_grid(image: sitk.Image, grid: Grid, tolerance: float = ROUNDED) -> sitk.Image | None:
    """Return an image with the axes of a grid if it has the grid's voxels, otherwise ``None``.

    Args:
        image: Any image; its values only change their order.
        grid: Where the slices of a series lie.
        tolerance: How far a corner may be off, as a share of the smallest spacing.
    """
    directions = [float(value) for value in grid.direction.ravel()]
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(directions)
    turned = sitk.DICOMOrient(image, code)
    if turned.GetSize() != grid.size:
        return None
    matrix = np.eye(4)
    matrix[:3, :3] = grid.direction * np.array(grid.spacing)
    matrix[:3, 3] = grid.origin
    corners = np.array([(*c, 1.0) for c in itertools.product(*((0, n - 1) for n in grid.size))])
    apart = corners @ (geometry.index_to_lps(turned) - matrix).T
    return turned if np.abs(apart).max() <= tolerance * min(grid.spacing) else None


def snapped(image: sitk.Image, grid: Grid, tolerance: float) -> sitk.Image:
    """Return an image exactly on a grid that its voxels lie on but for rounding.

    Raises:
        ValueError: If they do not.
    """
    turned = on_grid(image, grid, tolerance)
    if turned is None:
        raise ValueError("the image does not lie on the grid")
    turned.SetOrigin([float(value) for value in grid.origin])
    turned.SetSpacing([float(value) for value in grid.spacing])
    turned.SetDirection([float(value) for value in grid.direction.ravel()])
    return turned
