"""A volume node as the worker gets it, without copying its voxels in the window's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.errors import InputError
from MedAssistLib.scene import grid as scene_grid
from MedAssistLib.scene.grid import grid_of
from MedAssistLib.scene.hierarchy import series_of
from MedAssistLib.scene.volumes import enhancement_of
from MedAssistLib.scene.voxels import view
from MedAssistLib.worker.arrays import describe_array

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLVolumeNode

MODALITY = "MedAssist.modality"
"""Attribute of volume nodes, as :mod:`MedAssistLib.scene` writes it."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What the worker needs of a volume node.

    Attributes:
        voxels: A view of the node's values, axes (k, j, i).
        grid: An image of two voxels a side with the node's spacing, origin and directions.
        modality: DICOM modality; empty if not known.
        enhancement: The filters that were run on it.
    """

    voxels: npt.NDArray[np.generic]
    grid: sitk.Image
    modality: str
    enhancement: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        k, j, i = self.voxels.shape
        return i, j, k

    def write(self, path: Path) -> dict[str, Any]:
        """Write the voxels; return the description that the worker reads. For any thread.

        Raises:
            ResourceError: If the file cannot be written.
        """
        return describe_array(
            self.voxels,
            self.grid,
            path,
            modality=self.modality,
            enhancement=self.enhancement,
        )


def snapshot(node: vtkMRMLScalarVolumeNode) -> Snapshot:
    """Look at a volume node.

    Raises:
        InputError: If it is not one 3-D volume of single numbers.
    """
    where = node.GetName() or "volume"
    data = node.GetImageData()
    if data is None or min(data.GetDimensions()) < 1 or data.GetPointData().GetScalars() is None:
        raise InputError("is a volume without voxels", where=where, hint="Load its voxels first")
    if data.GetNumberOfScalarComponents() != 1:
        what = f"has {data.GetNumberOfScalarComponents()} values a voxel"
        hint = "Choose a volume with one number a voxel"
        raise InputError(what, where=where, hint=hint)
    if min(data.GetDimensions()) < 2:
        hint = "Choose a volume of at least two slices"
        raise InputError("is a single slice", where=where, hint=hint)
    return Snapshot(
        voxels=view(data),
        grid=grid_of(node),
        modality=modality_of(node),
        enhancement=enhancement_of(node),
    )


def modality_of(node: vtkMRMLVolumeNode) -> str:
    """Return the modality that DICOM or the user says; empty if neither does."""
    return series_of(node).modality or node.GetAttribute(MODALITY) or ""


def grid_at(description: Mapping[str, Any]) -> sitk.Image:
    """Return an image of two voxels a side that lies where a description's first voxels do."""
    grid = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    grid.SetSpacing(description["spacing"])
    grid.SetOrigin(description["origin"])
    grid.SetDirection(description["direction"])
    return grid


def lies_on(node: vtkMRMLVolumeNode, asked: Mapping[str, Any]) -> bool:
    """Tell whether a node's voxels lie where those of a description do."""
    k, j, i = asked["shape"]
    return node.GetImageData() is not None and scene_grid.lies_on(node, (i, j, k), grid_at(asked))
