"""Results of the worker, from its files into the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import terminology
from MedAssistLib.case import Code, Measurement, Scan, Segment, Segmentation
from MedAssistLib.panel.tables import add_measurements
from MedAssistLib.scene import add_scan, add_segmentation, show
from MedAssistLib.scene.hierarchy import put_beside
from MedAssistLib.worker.arrays import read_scan

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLSegmentationNode

Surfaces = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Found:
    """What a run of a model gave, read from its files."""

    segmentation: Segmentation
    surfaces: Surfaces
    measurements: tuple[Measurement, ...]


def read_found(result: Mapping[str, Any], scan: Mapping[str, Any]) -> Found:
    """Read the result of segmenting a described scan. For any thread.

    Raises:
        OSError: If a file is gone.
    """
    labels = sitk.GetImageFromArray(np.load(result["output"], allow_pickle=False))
    _place(labels, scan)
    surfaces: Surfaces = {}
    if result.get("surfaces"):
        with np.load(result["surfaces"], allow_pickle=False) as archive:
            surfaces = dict(archive)
    return Found(
        Segmentation(
            labels=labels,
            segments=tuple(_segment(entry) for entry in result["segments"]),
            made_by=result["made_by"],
        ),
        surfaces,
        tuple(Measurement(**entry) for entry in result.get("measurements", ())),
    )


def read_enhanced(result: Mapping[str, Any], scan: Mapping[str, Any]) -> Scan:
    """Read the result of enhancing a described scan. For any thread.

    Raises:
        OSError: If a file is gone.
    """
    image = sitk.GetImageFromArray(np.load(result["output"], allow_pickle=False))
    _place(image, result)
    return Scan(
        image=image,
        modality=str(scan.get("modality", "")),
        enhancement=tuple(result["enhancement"]),
    )


def land_found(
    scene: vtkMRMLScene, found: Found, volume: vtkMRMLScalarVolumeNode
) -> vtkMRMLSegmentationNode:
    """Put a segmentation, its surfaces and its measurements beside the volume, and show it."""
    scene.SaveStateForUndo()
    node = add_segmentation(scene, found.segmentation, volume)
    if found.surfaces:
        _attach(node, found)
    show(scene, node, volume)
    if found.measurements:
        table = add_measurements(scene, found.measurements, f"{node.GetName()} measurements")
        put_beside(table, volume)
    return node


def land_enhanced(
    scene: vtkMRMLScene, scan: Scan, volume: vtkMRMLScalarVolumeNode
) -> vtkMRMLScalarVolumeNode:
    """Put an enhanced volume beside the one that it was made of, below the same transform."""
    scene.SaveStateForUndo()
    named = Scan(
        image=scan.image,
        modality=scan.modality,
        name=f"{volume.GetName()} enhanced",
        enhancement=scan.enhancement,
    )
    node = add_scan(scene, named)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    put_beside(node, volume)
    return node


def bring_scan(
    scene: vtkMRMLScene, scan: Mapping[str, Any], folder: Path, name: str
) -> vtkMRMLScalarVolumeNode:
    """Put the scan of a kept job into a scene that does not have it any more.

    Raises:
        InputError: If its file is gone.
    """
    # The folder may have been moved with the user's home since.
    described = {**scan, "array": str(folder / Path(scan["array"]).name)}
    read = read_scan(described)
    return add_scan(scene, Scan(image=read.image, modality=read.modality, name=name))


def _place(image: sitk.Image, grid: Mapping[str, Any]) -> None:
    image.SetSpacing(grid["spacing"])
    image.SetOrigin(grid["origin"])
    image.SetDirection(grid["direction"])


def _segment(entry: Mapping[str, Any]) -> Segment:
    codes = {
        role: Code(**entry[role])
        for role in ("category", "type", "modifier", "region")
        if entry.get(role)
    }
    red, green, blue = entry["colour"]
    return Segment(label=entry["label"], name=entry["name"], colour=(red, green, blue), **codes)


def _attach(node: vtkMRMLSegmentationNode, found: Found) -> None:
    """Give the segments the surfaces that the worker made, so that Slicer need not make them."""
    segments = found.segmentation.segments
    own = node.GetSegmentation()
    for segment, name in zip(segments, terminology.segment_ids(segments), strict=True):
        own.GetSegment(name).AddRepresentation(
            "Closed surface", _poly_data(found.surfaces, segment.label)
        )


def _poly_data(surfaces: Surfaces, label: int) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkPolyData

    if f"points_{label}" not in surfaces:
        return vtkPolyData()
    from MedAssistLib.export.surfaces import poly_data

    to_ras = np.array([-1.0, -1.0, 1.0], dtype=np.float32)
    mesh = poly_data(surfaces[f"points_{label}"] * to_ras, surfaces[f"triangles_{label}"])
    normals = numpy_to_vtk(surfaces[f"normals_{label}"] * to_ras, deep=True)
    normals.SetName("Normals")
    mesh.GetPointData().SetNormals(normals)
    return mesh
