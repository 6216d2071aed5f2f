"""Voxel values between files, SimpleITK images, numpy arrays (axes k, j, i) and VTK images.

A scene and a :class:`~MedAssistLib.case.Scan` never share memory, because whoever edits one must
not change the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from MedAssistLib.errors import InputError

if TYPE_CHECKING:
    from slicer import vtkMRMLVolumeNode
    from vtkmodules.vtkCommonDataModel import vtkImageData


def fill(image: vtkImageData, array: npt.NDArray[np.generic]) -> None:
    """Give a VTK image the shape and a copy of the values of ``array``."""
    from vtkmodules.util.numpy_support import numpy_to_vtk

    image.SetDimensions(*reversed(array.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True))


def read_npy(path: Path, image: vtkImageData) -> None:
    """Give a VTK image the shape and values of a ``.npy`` file. For any thread.

    They are read straight into VTK's memory, and other threads go on meanwhile.

    Raises:
        OSError: If the file is gone or too short.
        ValueError: If it is not one that :func:`numpy.save` wrote of three axes.
    """
    from vtkmodules.util.numpy_support import create_vtk_array, get_vtk_array_type

    with path.open("rb") as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{path} is of another version of NumPy's format")
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(stream)
        if by_columns or len(shape) != 3:
            raise ValueError(f"{path} holds no volume in the order k, j, i")
        values = create_vtk_array(get_vtk_array_type(kind))
        values.SetNumberOfTuples(int(np.prod(shape)))
        image.SetDimensions(*reversed(shape))
        image.GetPointData().SetScalars(values)
        block = view(image)
        if stream.readinto(block.data.cast("B")) != block.nbytes:
            raise OSError(f"{path} is too short")


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


def voxels_of(node: vtkMRMLVolumeNode) -> vtkImageData:
    """Return a volume node's image.

    Raises:
        InputError: If it has no voxels.
    """
    data: vtkImageData | None = node.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None or min(data.GetDimensions()) < 1:
        hint = "Load or create its voxels first"
        raise InputError("is a volume without voxels", where=node.GetName() or "volume", hint=hint)
    return data
