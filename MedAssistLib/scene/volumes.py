"""Scans as volume nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.scene.grid import set_image_grid, set_node_grid
from MedAssistLib.scene.hierarchy import put_at_top, series_of
from MedAssistLib.scene.voxels import fill, view

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLVolumeNode

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


def add_scan(scene: vtkMRMLScene, scan: Scan) -> vtkMRMLScalarVolumeNode:
    """Put a scan into a scene, with its window and level chosen from its values.

    Nothing goes into the scene but the image, its name, modality and enhancement: no path, UID or
    DICOM attribute. Signed 8-bit and 64-bit whole numbers, which MRML's files cannot hold, become
    the first of 16-bit, 32-bit and double-precision numbers that holds them exactly.

    Raises:
        InputError: If a scene cannot hold the voxel values exactly.
    """
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = _storable(scan.image, scan.name)
    voxels = vtkImageData()
    fill(voxels, sitk.GetArrayViewFromImage(image))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(scan.name))
    node.SetAndObserveImageData(voxels)
    set_node_grid(node, image)
    node.SetAttribute(_MODALITY, scan.modality)
    node.SetAttribute(_ENHANCEMENT, json.dumps(scan.enhancement))
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().AutoWindowLevelOn()
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
        enhancement=tuple(json.loads(node.GetAttribute(_ENHANCEMENT) or "[]")),
    )


def image_from_volume(node: vtkMRMLVolumeNode) -> sitk.Image:
    """Return a copy of a volume node's voxels, where they lie below its parent transform.

    What is found on the image belongs below the same parent transform.

    Raises:
        InputError: If it is not one 3-D volume of single numbers.
    """
    data = node.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None or min(data.GetDimensions()) < 1:
        hint = "Load or create its voxels first"
        raise InputError("is a volume without voxels", where=_name(node), hint=hint)
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


def _storable(image: sitk.Image, name: str) -> sitk.Image:
    """Return the image in a pixel type that MRML, its files and Slicer's modules share."""
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
