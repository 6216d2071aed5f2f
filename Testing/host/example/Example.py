"""A module as small as one can be, with which the tests try the host itself."""

import qt
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


class Example(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Example")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Volumes"]
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)
        self.started = False

    def onStartupCompleted(self) -> None:
        self.started = True


class ExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A volume selector, a button, and what tests want to know of their events."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.events: list[str] = []

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        self.uiWidget = slicer.util.loadUI(self.resourcePath("UI/Example.ui"))
        self.layout.addWidget(self.uiWidget)
        self.ui = slicer.util.childWidgetVariables(self.uiWidget)
        self.uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = ExampleLogic()
        self.timer = qt.QTimer()
        self.timer.setInterval(1000)
        self.timer.start()
        self.ui.runButton.connect("clicked(bool)", self.onRun)
        self.ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onNode)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onClose)
        self.events.append("setup")

    def enter(self) -> None:
        self.events.append("enter")

    def exit(self) -> None:
        self.events.append("exit")

    def cleanup(self) -> None:
        self.timer.stop()
        self.removeObservers()
        self.uiWidget.setMRMLScene(None)
        self.events.append("cleanup")

    def onRun(self, checked=False) -> None:
        self.events.append(f"run {checked}")

    def onNode(self, node) -> None:
        self.events.append("node " + (node.GetName() if node else "none"))

    def onClose(self, _caller, _event) -> None:
        self.events.append("close")


class ExampleLogic(ScriptedLoadableModuleLogic):
    """Has a parameter node, as every logic has."""


class ExampleTest(ScriptedLoadableModuleTest):
    """Remembers that it ran."""

    ran = 0

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_scene_is_empty(self) -> None:
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        self.assertEqual(volumes, [])  # noqa: PT009 as in Slicer
        ExampleTest.ran += 1
