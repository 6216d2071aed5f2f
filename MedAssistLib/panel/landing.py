"""Results of the worker, from its files into the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Measurement, Scan
from MedAssistLib.panel.handover import grid_at
from MedAssistLib.panel.tables import add_measurements
from MedAssistLib.scene import add_scan, show
from MedAssistLib.scene.hierarchy import put_beside
from MedAssistLib.scene.segmentations import SegmentsWithLabels, add_labelmap, read_labelmap
from MedAssistLib.scene.volumes import VoxelsInMemory, add_voxels, read_voxels
from MedAssistLib.worker.arrays import read_scan
from MedAssistLib.worker.labels import segment_of

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLSegmentationNode


@dataclass(frozen=True, eq=False)
class Found:
    """What a run of a model gave, read from its files into VTK's memory.

    Attributes:
        labels: The segments and where they are.
        surfaces: One for each segment, if the worker made them.
        measurements: What was measured.
    """

    labels: SegmentsWithLabels
    surfaces: tuple[Any, ...]
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, eq=False)
class Enhanced:
    """What a chain of filters gave, read from its file into VTK's memory."""

    voxels: VoxelsInMemory
    modality: str
    enhancement: tuple[str, ...]


def read_found(result: Mapping[str, Any], scan: Mapping[str, Any]) -> Found:
    """Read the result of segmenting a described scan. For any thread.

    Raises:
        OSError: If a file is gone.
    """
    segments = tuple(map(segment_of, result["segments"]))
    labelmap = read_labelmap(Path(result["output"]), grid_at(scan))
    surfaces: tuple[Any, ...] = ()
    if result.get("surfaces"):
        with np.load(result["surfaces"], allow_pickle=False) as archive:
            surfaces = tuple(_poly_data(archive, segment.label) for segment in segments)
    return Found(
        SegmentsWithLabels(segments, str(result["made_by"]), labelmap),
        surfaces,
        tuple(Measurement(**entry) for entry in result.get("measurements", ())),
    )


def read_enhanced(result: Mapping[str, Any], scan: Mapping[str, Any]) -> Enhanced:
    """Read the result of enhancing a described scan. For any thread.

    Raises:
        OSError: If a file is gone.
    """
    low, high = result["window"]
    return Enhanced(
        read_voxels(Path(result["output"]), grid_at(result), (low, high)),
        str(scan.get("modality", "")),
        tuple(result["enhancement"]),
    )


def land_found(
    scene: vtkMRMLScene, found: Found, volume: vtkMRMLScalarVolumeNode
) -> vtkMRMLSegmentationNode:
    """Put a segmentation, its surfaces and its measurements beside the volume, and show it."""
    scene.SaveStateForUndo()
    node = add_labelmap(scene, found.labels, volume, found.surfaces)
    show(scene, node, volume)
    if found.measurements:
        table = add_measurements(scene, found.measurements, f"{node.GetName()} measurements")
        put_beside(table, volume)
    return node


def land_enhanced(
    scene: vtkMRMLScene, enhanced: Enhanced, volume: vtkMRMLScalarVolumeNode
) -> vtkMRMLScalarVolumeNode:
    """Put an enhanced volume beside the one that it was made of, below the same transform."""
    scene.SaveStateForUndo()
    described = Scan(
        image=enhanced.voxels.grid,
        modality=enhanced.modality,
        name=f"{volume.GetName()} enhanced",
        enhancement=enhanced.enhancement,
    )
    node = add_voxels(scene, described, enhanced.voxels)
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


def _poly_data(surfaces: Mapping[str, npt.NDArray[Any]], label: int) -> Any:
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
