"""The MRML bridge: cases into a scene of 3D Slicer and back.

Everything takes the scene as an argument and needs neither ``slicer.app`` nor a widget, so that it
runs inside Slicer and, through the ``slicer-core`` package, outside it.
"""

from MedAssistLib.scene.bundle import write_mrb
from MedAssistLib.scene.display import show
from MedAssistLib.scene.from_nodes import SegmentationInScene, segmentation_from_node
from MedAssistLib.scene.headless import HeadlessScene, headless_scene
from MedAssistLib.scene.segmentations import add_segmentation
from MedAssistLib.scene.volumes import add_scan, image_from_volume, scan_from_volume

__all__ = [
    "HeadlessScene",
    "SegmentationInScene",
    "add_scan",
    "add_segmentation",
    "headless_scene",
    "image_from_volume",
    "scan_from_volume",
    "segmentation_from_node",
    "show",
    "write_mrb",
]
