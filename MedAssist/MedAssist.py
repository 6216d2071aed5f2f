"""The MedAssist module of 3D Slicer: its description, panel, logic for scripts, and test."""

import os
import sys
import time
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

try:
    import MedAssistLib
except ModuleNotFoundError as error:
    if error.name != "MedAssistLib":
        raise
    # In a checkout the library lies beside this module's folder, which Slicer does not look into.
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    import MedAssistLib


class MedAssist(ScriptedLoadableModule):
    """The module as Slicer lists it; made at every start of Slicer."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MedAssist")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = [
            "Volumes", "Segmentations", "Terminologies", "Markups", "VolumeRendering", "Plots",
        ]  # fmt: skip
        self.parent.contributors = ["The MedAssist developers"]
        self.parent.helpText = _(
            "Enhances a volume, segments it with a deep-learning model and measures the result, "
            "without making Slicer wait. Choose a volume under Input, improve it under Enhance, "
            "find structures under Segment, see what deserves a second look under Check, let it "
            "learn your own structures under Train. Not a medical device."
        )
        # A file of our own, because a hospital's network is closed.
        page = (Path(__file__).parent / "Resources" / "Help" / "check.html").as_uri()
        self.parent.helpText += '<p><a href="{page}">{text}</a></p>'.format(
            page=page, text=_("What the findings of Check mean")
        )
        self.parent.helpText += self.getDefaultModuleDocumentationLink()
        self.parent.acknowledgementText = _(
            "Brain extraction: deepbet, Fisch et al. 2024 (MIT). Patch-wise models follow nnU-Net, "
            "Isensee et al. 2021. Bias correction: N4, Tustison et al. 2010."
        )
        slicer.app.connect("startupCompleted()", register_samples)


def register_samples() -> None:
    """Tell Slicer's Sample Data module which scans suit this one."""
    import SampleData

    from MedAssistLib.panel.samples import SAMPLES

    icons = Path(__file__).parent / "Resources" / "Icons"
    for sample in SAMPLES:
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="MedAssist",
            thumbnailFileName=str(icons / "MedAssist.png"),
            **sample,
        )


class MedAssistWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's frame: what Slicer calls, handed on to the library."""

    def __init__(self, parent=None) -> None:
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from MedAssistLib.panel.panel import Panel

        self.logic = MedAssistLogic()
        resources = Path(self.resourcePath("UI"))
        self.panel = Panel(slicer.mrmlScene, resources, self.layout, self.logic.getParameterNode)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEnd)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEnd)
        self.panel.open()

    def enter(self) -> None:
        """Show the choices of the scene, when the module is opened."""
        if self.panel:
            self.panel.open()

    def exit(self) -> None:
        """Stop showing the preview, when another module is opened; jobs go on."""
        if self.panel:
            self.panel.leave()

    def cleanup(self) -> None:
        """End processes, timers and observers."""
        self.removeObservers()
        if self.panel:
            self.panel.close()
            self.panel = None

    def onReload(self) -> None:
        """Load the library again too, not this file alone."""
        for name in [name for name in sys.modules if name.split(".")[0] == "MedAssistLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, _caller, _event) -> None:
        """Forget the nodes before they go."""
        if self.panel:
            self.panel.scene_closing()

    def onSceneEnd(self, _caller, _event) -> None:
        """Take the choices of the scene that is there now."""
        if self.panel and self.parent.isEntered:
            self.panel.open()


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
    """What must hold inside Slicer, without network; what needs PyTorch is left out without it."""

    def setUp(self) -> None:
        """Open a panel of our own on an empty scene, with folders of our own."""
        import tempfile

        import qt

        from MedAssistLib.panel.panel import Panel
        from MedAssistLib.panel.trial import bright_box

        slicer.mrmlScene.Clear()
        self.folder = tempfile.mkdtemp(prefix="MedAssistTest-")
        self.environment = dict(os.environ)
        os.environ["MEDASSIST_MODELS"] = f"{self.folder}/models"
        os.environ["MEDASSIST_JOBS"] = f"{self.folder}/jobs"
        self.place = qt.QWidget()
        resources = Path(__file__).parent / "Resources" / "UI"
        layout, logic = qt.QVBoxLayout(self.place), MedAssistLogic()
        self.panel = Panel(slicer.mrmlScene, resources, layout, logic.getParameterNode)
        self.panel.open()
        voxels, self.box = bright_box()
        self.volume = slicer.util.addVolumeFromArray(voxels, name="Made up")
        self.volume.SetSpacing(2.0, 2.0, 2.0)
        self.panel.input.ui.volume.setCurrentNode(self.volume)

    def tearDown(self) -> None:
        """Leave nothing behind."""
        import shutil

        self.panel.close()
        self.place.deleteLater()
        os.environ.clear()
        os.environ.update(self.environment)
        shutil.rmtree(self.folder, ignore_errors=True)
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests; called by Slicer's "Reload and Test"."""
        for test in (self.test_enhance, self.test_segment, self.test_check, self.test_measure):
            self.setUp()
            try:
                test()
            finally:
                self.tearDown()
        self.delayDisplay("All tests passed")

    def test_enhance(self) -> None:
        """A chain of two filters is previewed in a slice view and applied."""
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        logic.SetMRMLScene(slicer.mrmlScene)
        logic.AddSliceNode("MedAssistTest").SetOrientation("Axial")
        choices, enhance = self.panel.context.choices, self.panel.enhance
        choices.chain = ["denoise.median", "denoise.gaussian"]
        choices.view = "MedAssistTest"
        enhance.ui.preview.click()
        self.wait(lambda: enhance.preview.layer.node is not None, "the preview")
        enhance.ui.apply.click()
        self.assertEqual(self.ended(), "done")
        self.assertIsNone(enhance.preview.layer.node)
        node = slicer.util.getNode("Made up enhanced")
        noise = [slicer.util.arrayFromVolume(n)[:5, :5, :5].std() for n in (node, self.volume)]
        self.assertLess(noise[0], noise[1])

    def test_segment(self) -> None:
        """A run is cancelled, and another finds the bright box to the voxel."""
        from MedAssistLib.panel.trial import install_bright_models

        if not self.panel.segment.setup.can_run:
            self.delayDisplay("PyTorch is not installed: no model was run")
            return
        install_bright_models(Path(self.folder))
        self.panel.segment.list_models()
        self.wait(lambda: self.panel.segment.offers("slow"), "the list of models")
        for model, cancelled in (("slow", True), ("bright", False)):
            self.panel.context.choices.model = model
            self.panel.segment.ui.run.click()
            if cancelled:
                self.wait(lambda: self.job().state == "running", "the run")
                self.panel.context.cancel(self.job())
            self.assertEqual(self.ended(), "cancelled" if cancelled else "done")
        node = slicer.util.getNode("Made up segmentation")
        segment = node.GetSegmentation().GetNthSegmentID(0)
        self.assertEqual(segment, "bright")
        found = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, self.volume)
        self.assertTrue(((found > 0) == self.box).all())
        self.assertTrue(node.GetDisplayNode().GetVisibility3D())

    def test_check(self) -> None:
        """An island beside a ball is found and marked; it is removed by a click and comes back."""
        node = self.drawn(*self.ball_and_island())
        check = self.panel.check
        self.wait(lambda: check.segmentation is node, "the choice of what was drawn")
        check.ui.check.click()
        self.assertEqual(self.ended(), "done")
        islands = [e for e in check.review.entries if e["rule"] == "geometry.islands"]
        self.assertEqual(len(islands), 1)
        while check.review.current is not islands[0]:
            check.ui.next.click()
        marked = [0.0] * 3
        check.review.mark.nodes[0].GetNthControlPointPositionWorld(0, marked)
        left, posterior, superior = islands[0]["point_lps"]
        for value, expected in zip(marked, (-left, -posterior, superior), strict=True):
            self.assertAlmostEqual(value, expected, 3)
        before = self.voxels_of(node)
        check.ui.fix.click()
        self.assertEqual(self.voxels_of(node), before - 27)
        self.assertEqual(islands[0]["state"], "accepted")
        check.ui.undoFix.click()
        self.assertEqual(self.voxels_of(node), before)

    def ball_and_island(self):
        """Return the voxels (k, j, i) of a ball of 14 mm and of an island of 27 voxels."""
        away = [(n - 14) ** 2 for n in range(44)]
        ball = [
            (k, j, i)
            for k in range(6, 23)
            for j in range(6, 23)
            for i in range(6, 23)
            if away[k] + away[j] + away[i] <= 50
        ]
        island = [(k, j, i) for k in (26, 27, 28) for j in (28, 29, 30) for i in (26, 27, 28)]
        return zip(*ball, *island, strict=True)

    def voxels_of(self, node):
        """Return how many voxels the only segment of a node has."""
        segment = node.GetSegmentation().GetNthSegmentID(0)
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, self.volume)
        return int((voxels > 0).sum())

    def drawn(self, k, j, i):
        """Draw voxels, by ranges or one by one; return the segmentation node."""
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
        node.SetReferenceImageGeometryParameterFromVolumeNode(self.volume)
        segment = node.GetSegmentation().AddEmptySegment("drawn", "Drawn", [1.0, 0.5, 0.0])
        voxels = slicer.util.arrayFromVolume(self.volume) * 0
        voxels[k, j, i] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, node, segment, self.volume)
        return node

    def test_measure(self) -> None:
        """A block of 960 voxels of 8 mm³ drawn on a volume measures 7.68 mL."""
        drawn = self.drawn(slice(2, 12), slice(2, 14), slice(2, 10))
        measured = MedAssistLogic().measure(drawn, self.volume)
        volumes = [entry.value for entry in measured if entry.quantity == "volume"]
        self.assertEqual([round(value, 6) for value in volumes], [7.68])
        self.assertTrue(MedAssistLib.__version__)

    def job(self):
        """Return the job that was started last."""
        return list(self.panel.jobs.rows.values())[-1].job

    def ended(self) -> str:
        """Wait for the last job's end; return how it ended."""
        self.wait(lambda: self.job().state.over, "the end of the job")
        return str(self.job().state)

    def wait(self, condition, what, seconds=40.0) -> None:
        """Let Slicer work until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, f"{what} did not come")
            slicer.app.processEvents()
            time.sleep(0.01)
