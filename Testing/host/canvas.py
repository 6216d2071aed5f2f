"""A widget that shows what VTK draws offscreen, and passes the mouse on to MRML's interaction."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtkmodules.util.numpy_support import vtk_to_numpy


class Canvas(QtWidgets.QWidget):
    """One view; draws when it is painted or asked for its picture, and never before.

    Args:
        factory: The factory of displayable managers for this kind of view.
        managers: Their class names.
        style: The interactor's style.
    """

    def __init__(self, factory: Any, managers: tuple[str, ...], style: Any) -> None:
        super().__init__()
        self._factory, self._managers, self._style = factory, managers, style
        self._renderer: Any = None
        self._window: Any = None
        self._group: Any = None
        self._paused = False
        self._picture = QtGui.QImage()
        self._stale = True
        self.setMinimumSize(60, 60)
        self.setFocusPolicy(QtCore.Qt.StrongFocus)
        self.mouseTracking = True

    def node(self) -> Any:
        """Return the view's node; defined by each kind of view."""
        raise NotImplementedError

    def scheduleRender(self) -> None:
        """Draw when the widget is painted next."""
        self._stale = True
        self.update()

    def forceRender(self) -> None:
        """Draw now."""
        self._draw()
        self.update()

    def renderWindow(self) -> Any:
        """Return VTK's window."""
        self._prepare()
        return self._window

    def renderer(self) -> Any:
        """Return VTK's renderer."""
        self._prepare()
        return self._renderer

    def pause(self, *, paused: bool) -> None:
        """Stop or go on drawing."""
        self._paused = paused
        self.scheduleRender()

    def pixels(self) -> np.ndarray:
        """Draw now and return the picture: rows from the top, columns, red green blue (uint8)."""
        self._draw()
        return self._rows

    def _prepare(self) -> None:
        """Make the window and the managers, at the first use: it takes a fifth of a second."""
        if self._window is not None:
            return
        import slicer

        self._renderer, self._window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(4)
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetInteractorStyle(self._base_style())
        self._interactor.EnableRenderOff()
        self._interactor.Initialize()
        factory = self._factory
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in self._managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.SetRenderer(self._renderer)
        self._group.Initialize(factory, self._renderer)
        self._group.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.scheduleRender())
        self._style.SetDisplayableManagers(self._group)
        self._style.SetInteractor(self._interactor)
        self._added()
        self._group.SetMRMLDisplayableNode(self.node())

    def _base_style(self) -> Any:
        """Return the style of VTK that MRML's works beside."""
        return vtk.vtkInteractorStyleUser()

    def _added(self) -> None:
        """Add what is the view's own, once it has a window."""

    def _resized(self, width: int, height: int) -> None:
        """Take a new size."""

    def _draw(self) -> None:
        self._prepare()
        ratio = self.devicePixelRatioF()
        width, height = round(self.width * ratio), round(self.height * ratio)
        if tuple(self._window.GetSize()) != (width, height):
            self._window.SetSize(width, height)
            self._interactor.UpdateSize(width, height)
            self._resized(width, height)
        self._window.Render()
        values = vtk.vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, width - 1, height - 1, 0, values, 0)
        rows = vtk_to_numpy(values).reshape(height, width, 3)
        self._rows = np.ascontiguousarray(rows[::-1])
        picture = QtGui.QImage(
            self._rows.data, width, height, 3 * width, QtGui.QImage.Format_RGB888
        )
        picture.setDevicePixelRatio(ratio)
        self._picture, self._stale = picture, False

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw if anything has changed."""
        if not self._paused and (self._stale or self._picture.size() != self.size):
            self._draw()
        QtGui.QPainter(self).drawImage(0, 0, self._picture)

    def resizeEvent(self, _event: QtGui.QResizeEvent) -> None:
        """Draw in the new size."""
        self.scheduleRender()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """Pass it on."""
        self._pass_on(event, f"{event.button().name}PressEvent")

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        """Pass it on."""
        self._pass_on(event, f"{event.button().name}ReleaseEvent")

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        """Pass it on."""
        self._pass_on(event, "MouseMoveEvent")

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        """Pass it on."""
        way = "Forward" if event.angleDelta().y() > 0 else "Backward"
        self._pass_on(event, f"MouseWheel{way}Event")

    def enterEvent(self, event: QtGui.QEnterEvent) -> None:
        """Pass it on."""
        self._pass_on(event, "EnterEvent")

    def leaveEvent(self, _event: QtCore.QEvent) -> None:
        """Pass it on."""
        if self._window is not None:
            self._interactor.LeaveEvent()

    def _pass_on(self, event: Any, name: str) -> None:
        if self._window is None:
            return
        ratio = self.devicePixelRatioF()
        place, keys = event.position(), event.modifiers()
        shift = bool(keys & QtCore.Qt.ShiftModifier)
        control = bool(keys & QtCore.Qt.ControlModifier)
        x, y = round(place.x() * ratio), round((self.height - 1 - place.y()) * ratio)
        self._interactor.SetEventInformation(x, y, int(control), int(shift))
        self._interactor.InvokeEvent(name)
