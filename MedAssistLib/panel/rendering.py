"""Showing a volume: in the slice views, and in 3D with the preset that suits its modality."""

from __future__ import annotations

from typing import Any

import slicer

PRESETS = {"CT": "CT-AAA", "MR": "MR-Default", "PT": "PET-DICOM"}
_DEFAULT = "MR-Default"


def show_volume(volume: Any) -> None:
    """Show a volume in the slice views that follow the choice of volume; the zoom stays."""
    logic = slicer.app.applicationLogic()
    logic.GetSelectionNode().SetActiveVolumeID(volume.GetID())
    logic.PropagateVolumeSelection(0)


def render(volume: Any, modality: str) -> None:
    """Show a volume in 3D; a rendering that the user has already made is shown as it is."""
    logic = slicer.modules.volumerendering.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(volume)
    if display is None:
        display = logic.CreateDefaultVolumeRenderingNodes(volume)
        preset = logic.GetPresetByName(PRESETS.get(modality, _DEFAULT))
        if preset is not None:
            display.GetVolumePropertyNode().Copy(preset)
    display.SetVisibility(True)


def hide_rendering(volume: Any) -> None:
    """Hide a volume in 3D."""
    display = slicer.modules.volumerendering.logic().GetFirstVolumeRenderingDisplayNode(volume)
    if display is not None:
        display.SetVisibility(False)


def is_rendered(volume: Any) -> bool:
    """Tell whether a volume is shown in 3D."""
    if volume is None or not hasattr(slicer.modules, "volumerendering"):
        return False
    logic = slicer.modules.volumerendering.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(volume)
    return display is not None and bool(display.GetVisibility())
