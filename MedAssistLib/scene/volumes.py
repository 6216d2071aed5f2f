"""Scans as volume nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.scene.grid import set_image_grid, set_node_grid
from MedAssistLib.scene.hierarchy import put_at_top, series_of
from MedAssistLib.scene.voxels import fill, read_npy, view, voxels_of

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLVolumeNode
    from vtkmodules.vtkCommonDataModel import vtkImageData

Window = tuple[float, float]

_MODALITY = "MedAssist.modality"
_ENHANCEMENT = "MedAssist.enhancement"
_STORABLE = frozenset(
    {
        sitk.sitkUInt8,
        sitk.sitkUInt16,
        sitk.sitkInt16,
        sitk.sitkUInt32,
        sitk.sitkInt32,
        sitk.sitkFloat32,
        sitk.sitkFloat64,
    }
)
_WHOLE = frozenset({sitk.sitkInt8, sitk.sitkInt64, sitk.sitkUInt64})
_EXACT_IN_FLOAT64 = 2**53


class VoxelsInMemory(NamedTuple):
    """The voxels of a volume in VTK's memory.

    Attributes:
        image: Their values.
        grid: An image whose first voxels lie where theirs do.
        window: The lowest and the highest value to be told apart; ``None`` to choose them.
    """

    image: vtkImageData
    grid: sitk.Image
    window: Window | None = None


def add_scan(scene: vtkMRMLScene, scan: Scan) -> vtkMRMLScalarVolumeNode:
    """Put a scan into a scene, with its window and level chosen from its values.

    Nothing goes into the scene but the image, its name, modality and enhancement: no path, UID or
    DICOM attribute. Signed 8-bit and 64-bit whole numbers, which MRML's files cannot hold, become
    the first of 16-bit, 32-bit and double-precision numbers that holds them exactly.

    Raises:
        InputError: If a scene cannot hold the voxel values exactly.
    """
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = storable(scan.image, scan.name)
    voxels = vtkImageData()
    fill(voxels, sitk.GetArrayViewFromImage(image))
    return add_voxels(scene, scan, VoxelsInMemory(voxels, image))


def read_voxels(path: Path, grid: sitk.Image, window: Window) -> VoxelsInMemory:
    """Return the voxels of a ``.npy`` file for :func:`add_voxels`. For any thread.

    Args:
        path: The file, axes (k, j, i), of a type as :func:`storable` gives it.
        grid: Its first voxels lie where those of the file do.
        window: The lowest and the highest value to be told apart.

    Raises:
        OSError: If the file is gone.
        ValueError: If it holds no volume.
    """
    from vtkmodules.vtkCommonDataModel import vtkImageData

    voxels = vtkImageData()
    read_npy(path, voxels)
    return VoxelsInMemory(voxels, grid, window)


def add_voxels(scene: vtkMRMLScene, scan: Scan, voxels: VoxelsInMemory) -> vtkMRMLScalarVolumeNode:
    """Put a volume into a scene as :func:`add_scan` does.

    Takes milliseconds if the window is known: to choose one, all voxels are looked at.

    Args:
        scene: The scene.
        scan: Its name, modality and enhancement; its image is not looked at.
        voxels: Its voxels, which the node keeps.
    """
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(scan.name))
    unblock = node.StartModify()
    display = scene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetDefaultColorMap()
    display.SetAutoWindowLevel(voxels.window is None)
    if voxels.window is not None:
        display.SetWindowLevelMinMax(*voxels.window)
    node.SetAndObserveDisplayNodeID(display.GetID())
    set_node_grid(node, voxels.grid)
    node.SetAndObserveImageData(voxels.image)
    node.SetAttribute(_MODALITY, scan.modality)
    node.SetAttribute(_ENHANCEMENT, json.dumps(scan.enhancement))
    node.EndModify(unblock)
    put_at_top(node)
    return node


def scan_from_volume(node: vtkMRMLVolumeNode) -> Scan:
    """Return a volume node as a scan; see :func:`image_from_volume`.

    Modality and series UID come from the subject hierarchy, where Slicer keeps what it read from
    DICOM. The name is that of the node, which the user sees and may change.

    Raises:
        InputError: If it is not one 3-D volume of single numbers.
    """
    series = series_of(node)
    return Scan(
        image=image_from_volume(node),
        modality=series.modality or node.GetAttribute(_MODALITY) or "",
        name=_name(node),
        series_uid=series.uid,
        enhancement=enhancement_of(node),
    )


def enhancement_of(node: vtkMRMLVolumeNode) -> tuple[str, ...]:
    """Return the filters that were run on a volume, as a scan's ``enhancement`` has them."""
    return tuple(json.loads(node.GetAttribute(_ENHANCEMENT) or "[]"))


def image_from_volume(node: vtkMRMLVolumeNode) -> sitk.Image:
    """Return a copy of a volume node's voxels, where they lie below its parent transform.

    What is found on the image belongs below the same parent transform.

    Raises:
        InputError: If it is not one 3-D volume of single numbers.
    """
    data = voxels_of(node)
    count = data.GetNumberOfScalarComponents()
    if count != 1:
        what = f"has {count} values a voxel (colours, vectors or time points)"
        hint = "Choose a volume with one number a voxel"
        raise InputError(what, where=_name(node), hint=hint)
    image = sitk.GetImageFromArray(view(data))
    set_image_grid(image, node)
    start = data.GetExtent()[::2]  # the index of the first voxel, nearly always (0, 0, 0)
    if any(start):
        image.SetOrigin(image.TransformIndexToPhysicalPoint(start))
    return image


def _name(node: vtkMRMLVolumeNode) -> str:
    return node.GetName() or "volume"


def storable(image: sitk.Image, name: str) -> sitk.Image:
    """Return the image in a pixel type that MRML, its files and Slicer's modules share.

    Raises:
        InputError: If none of them holds its values exactly.
    """
    if image.GetPixelID() in _STORABLE:
        return image
    kind = image.GetPixelIDTypeAsString()
    if image.GetPixelID() not in _WHOLE:
        hint = "Give a scan of real numbers"
        raise InputError(f"has {kind} voxels, which a scene cannot hold", where=name, hint=hint)
    values = sitk.GetArrayViewFromImage(image)
    low, high = int(values.min()), int(values.max())
    furthest = max(-low, high)
    if furthest > _EXACT_IN_FLOAT64:
        what = f"has whole numbers as far as {furthest}, which a scene cannot hold exactly"
        raise InputError(what, where=name, hint="Scale or clip its values")
    exact = sitk.sitkInt32 if furthest < 2**31 else sitk.sitkFloat64
    cast: sitk.Image = sitk.Cast(image, sitk.sitkInt16 if furthest < 2**15 else exact)
    return cast
