"""The MedAssist module of 3D Slicer: its verbs on the nodes of the scene, for scripts."""

import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

try:
    import MedAssistLib
except ModuleNotFoundError as error:
    if error.name != "MedAssistLib":
        raise
    # In a checkout the library lies beside this module's folder, which Slicer does not look into.
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    import MedAssistLib


class MedAssist(ScriptedLoadableModule):
    """The module as Slicer lists it; hidden from the menus, because it has no panel."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MedAssist")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Volumes", "Segmentations", "Terminologies"]
        self.parent.contributors = ["The MedAssist developers"]
        self.parent.helpText = _(
            "Enhances, segments and measures the volumes of the scene from Python scripts, through "
            "MedAssistLogic. Not a medical device."
        )
        self.parent.acknowledgementText = _("Brain extraction: deepbet, Fisch et al. 2024 (MIT).")
        self.parent.hidden = True


class MedAssistLogic(ScriptedLoadableModuleLogic):
    """The verbs on nodes of the scene; results come as new nodes beside the input.

    Example:
        >>> logic = MedAssistLogic()
        >>> segmentation = logic.segment(slicer.util.getNode("Head"), "brain")
    """

    def enhance(self, volumeNode):
        """Run the filters that suit the volume's modality; return the new volume node."""
        from MedAssistLib.enhance import enhance
        from MedAssistLib.scene import add_scan, scan_from_volume

        node = add_scan(slicer.mrmlScene, enhance(scan_from_volume(volumeNode)))
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        return node

    def segment(self, volumeNode, model):
        """Segment a volume with a model, by name or folder; return the new segmentation node."""
        from MedAssistLib.models import find
        from MedAssistLib.scene import add_segmentation, scan_from_volume, show
        from MedAssistLib.segment import segment

        result = segment(scan_from_volume(volumeNode), find(model))
        node = add_segmentation(slicer.mrmlScene, result, volumeNode)
        show(slicer.mrmlScene, node, volumeNode)
        return node

    def measure(self, segmentationNode, volumeNode):
        """Measure the segments of a segmentation; return MedAssistLib's measurements."""
        from MedAssistLib.measure import measure
        from MedAssistLib.scene import scan_from_volume, segmentation_from_node

        found = segmentation_from_node(segmentationNode, volumeNode)
        return measure(scan_from_volume(volumeNode), found.segmentation)


class MedAssistTest(ScriptedLoadableModuleTest):
    """What must hold inside Slicer, without network and without torch."""

    def runTest(self) -> None:
        """Run all tests; called by Slicer's "Reload and Test"."""
        slicer.mrmlScene.Clear()
        self.test_measure_a_drawn_block()

    def test_measure_a_drawn_block(self) -> None:
        """A block of 4×5×6 voxels of 2 mm drawn on a volume measures 0.96 mL."""
        import numpy as np

        voxels = np.zeros((20, 20, 20), dtype=np.int16)
        voxels[5:11, 5:10, 5:9] = 100
        volume = slicer.util.addVolumeFromArray(voxels, np.diag([2.0, 2.0, 2.0, 1.0]), "Block")
        drawn = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
        drawn.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        segment = drawn.GetSegmentation().AddEmptySegment("block", "Block", [1.0, 0.5, 0.0])
        slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, drawn, segment, volume)
        measured = MedAssistLogic().measure(drawn, volume)
        volumes = [entry.value for entry in measured if entry.quantity == "volume"]
        self.assertEqual([round(value, 6) for value in volumes], [0.96])
        self.assertTrue(MedAssistLib.__version__)
