"""The slice views and the 3D view, with MRML's own displayable managers."""

from __future__ import annotations

from typing import Any

import vtk
from PySide6 import QtWidgets

from Testing.host.canvas import Canvas
from Testing.host.mrml import Mrml

SLICES = {
    "Red": ("Axial", "R", (243, 74, 51)),
    "Green": ("Coronal", "G", (110, 176, 75)),
    "Yellow": ("Sagittal", "Y", (237, 213, 76)),
}
_SLICE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
)
_MANAGERS_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
)
_SIZE_BEFORE_SHOWN = (400, 300)


class SliceView(Canvas):
    """What a slice widget draws into."""

    def __init__(self, logic: Any) -> None:
        import slicer

        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        style = slicer.vtkMRMLSliceViewInteractorStyle()
        style.SetSliceLogic(logic)
        super().__init__(factory, _SLICE_MANAGERS, style)
        self._logic, self._mapper = logic, vtk.vtkImageMapper()
        logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._connect())

    def node(self) -> Any:
        """Return the slice node."""
        return self._logic.GetSliceNode()

    mrmlSliceNode = node

    def _added(self) -> None:
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self._mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(actor)
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._connect()

    def _connect(self) -> None:
        self._mapper.SetInputConnection(self._logic.GetImageDataConnection())
        self.scheduleRender()

    def _resized(self, width: int, height: int) -> None:
        self._logic.ResizeSliceNode(width, height)


class ThreeDView(Canvas):
    """What the 3D widget draws into."""

    def __init__(self, node: Any) -> None:
        import slicer

        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, _MANAGERS_3D, slicer.vtkMRMLThreeDViewInteractorStyle())
        self._node = node

    def node(self) -> Any:
        """Return the view node."""
        return self._node

    mrmlViewNode = node

    def _base_style(self) -> Any:
        return vtk.vtkInteractorStyle3D()

    def _added(self) -> None:
        self._renderer.SetBackground(0.76, 0.76, 0.91)

    def resetFocalPoint(self) -> None:
        """Turn to the middle of what is there, from where the camera is."""
        self._with_bounds(self._turn_to)
        self._node.InvokeEvent(self._node.ResetFocalPointRequestedEvent)
        self.scheduleRender()

    def resetCamera(self) -> None:
        """Let everything fit."""
        self._with_bounds(self._renderer.ResetCamera)
        self.scheduleRender()

    def _with_bounds(self, use: Any) -> None:
        """Call with the bounds of what is there, without the box and the letters around it."""
        self._draw()
        node = self._node
        shown = node.GetBoxVisible(), node.GetAxisLabelsVisible()
        node.SetBoxVisible(0)
        node.SetAxisLabelsVisible(0)
        bounds = self._renderer.ComputeVisiblePropBounds()
        node.SetBoxVisible(shown[0])
        node.SetAxisLabelsVisible(shown[1])
        if bounds[0] <= bounds[1]:
            use(bounds)

    def _turn_to(self, bounds: tuple[float, ...]) -> None:
        middle = [(low + high) / 2.0 for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
        self._renderer.GetActiveCamera().SetFocalPoint(*middle)
        self._renderer.ResetCameraClippingRange(bounds)


class SliceWidget(QtWidgets.QWidget):
    """A slice view below its title."""

    def __init__(self, name: str, mrml: Mrml) -> None:
        import slicer

        super().__init__()
        orientation, label, colour = SLICES[name]
        self._logic = logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(mrml.application)
        mrml.application.GetSliceLogics().AddItem(logic)
        logic.SetMRMLScene(mrml.scene)
        node = logic.AddSliceNode(name)
        node.SetLayoutLabel(label)
        node.SetLayoutColor(*(value / 255.0 for value in colour))
        node.SetOrientation(orientation)
        node.SetMappedInLayout(1)
        logic.ResizeSliceNode(*_SIZE_BEFORE_SHOWN)
        self._view = SliceView(logic)
        _stack(self, label, colour, self._view)

    def sliceLogic(self) -> Any:
        """Return the logic."""
        return self._logic

    def sliceView(self) -> SliceView:
        """Return the view."""
        return self._view

    def mrmlSliceNode(self) -> Any:
        """Return the slice node."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        """Return the node that says what is shown."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Show all of the background."""
        self._logic.FitSliceToBackground()


class ThreeDWidget(QtWidgets.QWidget):
    """The 3D view below its title."""

    def __init__(self, mrml: Mrml) -> None:
        import slicer

        super().__init__()
        node = slicer.vtkMRMLViewNode()
        node.SetLayoutName("1")
        node.SetSingletonTag("1")
        node.SetLayoutLabel("1")
        node.SetName("View1")
        node = mrml.scene.AddNode(node)
        node.SetMappedInLayout(1)
        self._view = ThreeDView(node)
        _stack(self, "1", (117, 112, 179), self._view)

    def threeDView(self) -> ThreeDView:
        """Return the view."""
        return self._view

    def mrmlViewNode(self) -> Any:
        """Return the view node."""
        return self._view.node()


def _stack(widget: Any, title: str, colour: tuple[int, int, int], view: Canvas) -> None:
    bar = QtWidgets.QLabel(title)
    bar.styleSheet = f"background: rgb{colour}; color: black; padding-left: 6px"
    column = QtWidgets.QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(bar)
    column.addWidget(view, 1)
