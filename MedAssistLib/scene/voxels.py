"""Voxel values between SimpleITK images, numpy arrays (axes k, j, i) and VTK images.

Each way copies once: a scene and a :class:`~MedAssistLib.case.Scan` never share memory, because
whoever edits one must not change the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkImageData


def fill(image: vtkImageData, array: npt.NDArray[np.generic]) -> None:
    """Give a VTK image the shape and a copy of the values of ``array``."""
    from vtkmodules.util.numpy_support import numpy_to_vtk

    image.SetDimensions(*reversed(array.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True))


def view(image: vtkImageData) -> npt.NDArray[np.generic]:
    """Return the values of a VTK image without a copy; valid while the image lives.

    An image without voxels gives an array without values.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    shape = image.GetDimensions()[::-1]
    scalars = image.GetPointData().GetScalars()
    if scalars is None or min(shape) < 1:
        return np.zeros((0, 0, 0), np.uint8)
    values: npt.NDArray[np.generic] = vtk_to_numpy(scalars).reshape(shape)
    return values
