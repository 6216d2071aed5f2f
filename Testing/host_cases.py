"""Made-up volumes and segmentations for the tests of the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

EXAMPLE = Path(__file__).parent / "host" / "example" / "Example.py"
SPACING = 4.0


def block(name: str = "Block") -> Any:
    """A volume of 40×40×40 voxels of 4 mm around the origin: 100, and 300 in its middle."""
    import slicer

    values = np.full((40, 40, 40), 100, np.int16)
    values[10:30, 10:30, 10:30] = 300
    grid = np.diag([SPACING, SPACING, SPACING, 1.0])
    grid[:3, 3] = -20 * SPACING
    volume = slicer.util.addVolumeFromArray(values, grid, name)
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(400, 200)
    return volume


def segmented(volume: Any) -> Any:
    """A segmentation of the box, red, with its surface."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Box")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    name = node.GetSegmentation().AddEmptySegment("box", "Box", [1.0, 0.0, 0.0])
    values = slicer.util.arrayFromVolume(volume) > 200
    slicer.util.updateSegmentBinaryLabelmapFromArray(values.astype(np.uint8), node, name, volume)
    node.CreateClosedSurfaceRepresentation()
    return node
