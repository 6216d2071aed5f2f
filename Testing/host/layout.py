"""``slicer.app.layoutManager()``: three slice views, and a 3D view or a plot."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.host.errors import MissingStandInError
from Testing.host.mrml import Mrml
from Testing.host.plots import PlotWidget
from Testing.host.views import SLICES, SliceWidget, ThreeDWidget


class LayoutManager(QtCore.QObject):
    """Stands in for the layout manager; it follows the scene's layout node, as Slicer's does.

    Of the layouts it has the one with four views, and that with a plot in place of the 3D view.

    Args:
        mrml: The scene and its logics.
    """

    def __init__(self, mrml: Mrml) -> None:
        import slicer

        super().__init__()
        self._logics = mrml.application.GetSliceLogics()
        self._slices = {name: SliceWidget(name, mrml) for name in SLICES}
        self._three_d, self._plot = ThreeDWidget(mrml), PlotWidget(mrml)
        self._viewport = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(self._viewport)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        places = {
            "Red": (self._slices["Red"], 0, 0),
            "Green": (self._slices["Green"], 1, 0),
            "Yellow": (self._slices["Yellow"], 1, 1),
            "1": (self._three_d, 0, 1),
            "PlotView1": (self._plot, 0, 1),
        }
        for widget, row, column in places.values():
            grid.addWidget(widget, row, column)
        self._plot.hide()
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(mrml.scene)
        self._node = self._layout_logic.GetLayoutNode()
        self._usual = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        self._with_plot = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView
        self._none = slicer.vtkMRMLLayoutNode.SlicerLayoutNone
        self._node.SetViewArrangement(self._usual)
        self._node.AddObserver("ModifiedEvent", lambda *_: self._follow())

    threeDViewCount = property(lambda self: int(not self._shows_plot()))
    plotViewCount = property(lambda self: int(self._shows_plot()))
    tableViewCount = property(lambda _self: 0)
    layout = property(lambda self: self._node.GetViewArrangement())

    def setLayout(self, number: int) -> None:
        """Choose a layout."""
        self._node.SetViewArrangement(number)

    def _shows_plot(self) -> bool:
        return bool(self._node.GetViewArrangement() == self._with_plot)

    def _follow(self) -> None:
        number = self._node.GetViewArrangement()
        if number == self._none:
            return  # The scene is being closed, and comes back to its layout.
        if number not in (self._usual, self._with_plot):
            raise MissingStandInError(f"layout {number}")
        self._three_d.setVisible(not self._shows_plot())
        self._plot.setVisible(self._shows_plot())

    def plotWidget(self, place: int) -> PlotWidget | None:
        """Return the plot widget or None."""
        return self._plot if place == 0 and self._shows_plot() else None

    def viewport(self) -> Any:
        """Return the widget that holds the views."""
        return self._viewport

    def sliceViewNames(self) -> tuple[str, ...]:
        """Return the names of the slice views."""
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """Return a slice widget or None."""
        return self._slices.get(name)

    def threeDWidget(self, place: int) -> ThreeDWidget | None:
        """Return the 3D widget or None."""
        return self._three_d if place in (0, "View1", "1") else None

    def mrmlSliceLogics(self) -> Any:
        """Return the slice logics."""
        return self._logics

    def resetSliceViews(self) -> None:
        """Show all of the backgrounds."""
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Look at the middle of what is there, so that all of it fits."""
        self._three_d.threeDView().resetFocalPoint()
        self._three_d.threeDView().resetCamera()

    def reset(self) -> None:
        """Let every slice view look its own way again."""
        self.setLayout(self._usual)
        for name, widget in self._slices.items():
            widget.mrmlSliceNode().SetOrientation(SLICES[name][0])

    def pause(self, *, paused: bool) -> None:
        """Stop or go on drawing."""
        for view in self.views():
            view.pause(paused=paused)

    def views(self) -> list[Any]:
        """Return the views that there may be."""
        slices = [widget.sliceView() for widget in self._slices.values()]
        return [*slices, self._three_d.threeDView(), self._plot.plotView()]
