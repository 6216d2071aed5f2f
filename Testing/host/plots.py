"""The plot view: draws the chart that its MRML node names, with VTK's own charts."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from PySide6 import QtGui, QtWidgets
from vtkmodules.util.numpy_support import vtk_to_numpy

from Testing.host.mrml import Mrml
from Testing.host.widgets.scene_widget import Watch

NAME = "PlotView1"
_CONTENT = "ModifiedEvent"


class PlotView(QtWidgets.QWidget):
    """What a plot widget draws into; draws when it is painted or asked for its picture.

    Args:
        node: The view's node.
    """

    def __init__(self, node: Any) -> None:
        super().__init__()
        self._node, self._watch = node, Watch()
        self._window: Any = None
        self._stale = True
        self._picture = QtGui.QImage()
        self.setMinimumSize(60, 60)
        node.AddObserver(_CONTENT, lambda *_: self.scheduleRender())

    def mrmlPlotViewNode(self) -> Any:
        """Return the node."""
        return self._node

    def chart(self) -> Any:
        """Return the chart's node, or None."""
        return self._node.GetPlotChartNode()

    def scheduleRender(self) -> None:
        """Draw when the widget is painted next."""
        self._stale = True
        self.update()

    def pause(self, *, paused: bool) -> None:
        """Go on: a chart is drawn only when it is looked at."""

    def pixels(self) -> np.ndarray:
        """Draw now and return the picture: rows from the top, columns, red green blue (uint8)."""
        self._draw()
        return self._rows

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw if anything has changed."""
        if self._stale or self._picture.size() != self.size:
            self._draw()
        QtGui.QPainter(self).drawImage(0, 0, self._picture)

    def resizeEvent(self, _event: QtGui.QResizeEvent) -> None:
        """Draw in the new size."""
        self.scheduleRender()

    def _draw(self) -> None:
        if self._window is None:
            self._view, self._window = vtk.vtkContextView(), vtk.vtkRenderWindow()
            self._window.SetOffScreenRendering(1)
            self._view.SetRenderWindow(self._window)
            self._view.GetRenderer().SetBackground(1.0, 1.0, 1.0)
        self._window.SetSize(self.width, self.height)
        self._view.GetScene().ClearItems()
        self._view.GetScene().AddItem(self._made())
        self._window.Render()
        values = vtk.vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, self.width - 1, self.height - 1, 0, values, 0)
        rows = vtk_to_numpy(values).reshape(self.height, self.width, 3)
        self._rows = np.ascontiguousarray(rows[::-1])
        form = QtGui.QImage.Format_RGB888
        self._picture = QtGui.QImage(self._rows.data, self.width, self.height, 3 * self.width, form)
        self._stale = False

    def _made(self) -> Any:
        """Return the chart as VTK draws it, and follow its nodes from now on."""
        self._watch.clear()
        made, node = vtk.vtkChartXY(), self.chart()
        if node is None:
            return made
        self._watch.add(node, _CONTENT, self.scheduleRender)
        made.SetTitle(node.GetTitle() or "")
        made.SetShowLegend(bool(node.GetLegendVisibility()))
        made.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(node.GetXAxisTitle() or "")
        made.GetAxis(vtk.vtkAxis.LEFT).SetTitle(node.GetYAxisTitle() or "")
        for number in range(node.GetNumberOfPlotSeriesNodes()):
            series = node.GetNthPlotSeriesNode(number)
            table = series.GetTableNode() if series is not None else None
            if table is None or table.GetNumberOfRows() == 0:
                continue
            self._watch.add(series, _CONTENT, self.scheduleRender)
            self._watch.add(table, _CONTENT, self.scheduleRender)
            plot = made.AddPlot(vtk.vtkChart.LINE)
            plot.SetInputData(table.GetTable(), series.GetXColumnName(), series.GetYColumnName())
            plot.SetLabel(series.GetName())
            red, green, blue = series.GetColor()
            plot.SetColorF(red, green, blue)
            plot.SetWidth(series.GetLineWidth())
            plot.SetMarkerStyle(series.GetMarkerStyle())
        return made


class PlotWidget(QtWidgets.QWidget):
    """The plot view below its title.

    Args:
        mrml: The scene and its logics.
    """

    def __init__(self, mrml: Mrml) -> None:
        import slicer

        super().__init__()
        node = slicer.vtkMRMLPlotViewNode()
        node.SetLayoutName(NAME)
        node.SetSingletonTag(NAME)
        node.SetLayoutLabel("P")
        node.SetName(NAME)
        self._view = PlotView(mrml.scene.AddNode(node))
        bar = QtWidgets.QLabel("P")
        bar.styleSheet = "background: rgb(200, 200, 200); color: black; padding-left: 6px"
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(self._view, 1)

    def plotView(self) -> PlotView:
        """Return the view."""
        return self._view

    def mrmlPlotViewNode(self) -> Any:
        """Return the view's node."""
        return self._view.mrmlPlotViewNode()
