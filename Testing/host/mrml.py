"""The scene and the logics around it: the real ones, from slicer-core."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import vtk

from Testing.host import presets

_LOGICS = {
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
}
# What Slicer's plugins give an item in the subject hierarchy by themselves.
_IN_HIERARCHY = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLModelNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLTransformNode",
    "vtkMRMLSequenceNode",
)


class Mrml(NamedTuple):
    """The scene, the application's logic and the modules' logics by name."""

    scene: Any
    application: Any
    logics: dict[str, Any]


def boot(folder: Path) -> Mrml:
    """Make the scene; files that it unpacks go below ``folder``."""
    import slicer

    application = slicer.vtkSlicerApplicationLogic()
    share = folder / "share"
    share.mkdir()
    presets.write(share)
    # Looked at while the logics get their scene: slicer-core has no such files.
    application.SetShareDirectory(str(share))
    scene = slicer.vtkMRMLScene()
    application.SetMRMLScene(scene)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    colours = application.GetColorLogic()
    logics = {"Colors": colours}
    colours.SetMRMLScene(scene)
    colours.AddDefaultColorNodes()
    # Volumes find their colours in the logic of this name: without it slices are drawn as errors.
    application.SetModuleLogic("Colors", colours)
    for name, kind in _LOGICS.items():
        logic = logics[name] = getattr(slicer, kind)()
        logic.SetMRMLApplicationLogic(application)
        if name == "VolumeRendering":
            logic.SetModuleShareDirectory(str(share))
        with _quiet():
            logic.SetMRMLScene(scene)
        application.SetModuleLogic(name, logic)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    _let_read_bundles(scene, folder)
    scene.AddObserver(scene.NodeAddedEvent, _give_item)
    return Mrml(scene, application, logics)


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep VTK from printing that terminologies and presets are missing."""
    before = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.SetGlobalWarningDisplay(0)
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(before)


def _let_read_bundles(scene: Any, folder: Path) -> None:
    import slicer

    place = folder / "cache"
    place.mkdir()
    (place / ".slicer-cache").touch()  # by which the scene knows that it may clean up there
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(place))
    data = slicer.vtkDataIOManager()
    data.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(data)


@vtk.calldata_type(vtk.VTK_OBJECT)
def _give_item(scene: Any, _event: str, node: Any) -> None:
    """Give a new node its item at the top of the subject hierarchy, as Slicer's plugins do."""
    if scene.IsImporting() or node.GetHideFromEditors():
        return
    if any(node.IsA(kind) for kind in _IN_HIERARCHY):
        tree = scene.GetSubjectHierarchyNode()
        if tree is not None and not tree.GetItemByDataNode(node):
            tree.CreateItem(tree.GetSceneItemID(), node)
