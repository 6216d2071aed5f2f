"""How a network learns, as curves in a plot view: its loss, and its Dice on cases held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import slicer

from MedAssistLib.panel.text import tr as _

_GREY = (90, 90, 90)
_EPOCH = "epoch"

Rows = Sequence[Sequence[float]]


class Curves:
    """The curves of one training; those of the network that learns are in the chart.

    Args:
        scene: The MRML scene.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._title, self._seen = "", False
        self._news: Mapping[str, Any] = {}
        self._points: dict[int, dict[int, Mapping[str, Any]]] = {}
        self._chart: Any = None
        self._drawn: dict[int, tuple[Drawn, Drawn]] = {}
        self._layout_before: int | None = None

    @property
    def chart(self) -> Any:
        """The chart's node, or None."""
        return self._chart

    def begin(self, title: str) -> None:
        """Begin with another training; the nodes of the one before stay in the scene."""
        self._title, self._news, self._points = title, {}, {}
        self._chart, self._drawn = None, {}

    def add(self, news: Mapping[str, Any]) -> None:
        """Take in epochs, as the worker's verb ``train`` tells them."""
        self._news = news
        fold = self._points.setdefault(int(news["fold"]), {})
        fold.update({int(point["number"]): point for point in news["epochs"]})
        if self._seen:
            self._draw()

    def last_look(self) -> Mapping[str, Any] | None:
        """Return the last epoch after which the cases held out were looked at, if there is one."""
        points = self._points.get(int(self._news["fold"]), {}) if self._news else {}
        looked = [number for number, point in points.items() if point["dice"]]
        return points[max(looked)] if looked else None

    def show(self, *, seen: bool) -> None:
        """Show the curves beside the slices, or the layout as it was before."""
        self._seen = seen
        if seen and self._points:
            self._draw()
            self._lay_out()
        elif not seen and self._layout_before is not None:
            layout = self._layout()
            # Whoever has chosen another layout meanwhile wants that.
            if layout.GetViewArrangement() == self._layout_with_plot():
                layout.SetViewArrangement(self._layout_before)
            self._layout_before = None

    def forget(self) -> None:
        """Let go of the nodes, because their scene is going; the points stay."""
        self._seen, self._chart, self._drawn = False, None, {}
        self._layout_before = None

    def _draw(self) -> None:
        """Bring the nodes up to date."""
        fold = int(self._news["fold"])
        new = self._chart is None or self._chart.GetScene() is None
        if new:
            self._drawn = {}
            self._chart = self._new("vtkMRMLPlotChartNode", _("{model} learning"))
            self._chart.SetXAxisTitle(_("epoch"))
            self._chart.SetYAxisTitle(_("loss and Dice"))
        if fold not in self._drawn:
            self._drawn[fold] = self._curves_of(fold, self._news["structures"])
            self._put_in_chart(fold)
        loss, dice = self._drawn[fold]
        points = [self._points[fold][number] for number in sorted(self._points[fold])]
        loss.fill([[point["number"], point["loss"]] for point in points])
        dice.fill([[point["number"], *point["dice"]] for point in points if point["dice"]])
        if new:
            self._lay_out()

    def _lay_out(self) -> None:
        """Show the chart in a view."""
        if self._layout_before is None:
            self._layout_before = self._layout().GetViewArrangement()
        slicer.modules.plots.logic().ShowChartInLayout(self._chart)

    def _curves_of(self, fold: int, names: Sequence[str]) -> tuple[Drawn, Drawn]:
        number = _(" of network {n}").format(n=fold + 1) if self._news["folds"] > 1 else ""
        loss = self._new("vtkMRMLTableNode", _("{model} loss") + number)
        dice = self._new("vtkMRMLTableNode", _("{model} Dice") + number)
        losses = Drawn(self._scene, loss, {_("loss"): _GREY}, marked=False)
        titles = [_("Dice {structure}").format(structure=name) for name in names]
        coloured = dict(zip(titles, map(tuple, self._news["colours"]), strict=True))
        return losses, Drawn(self._scene, dice, coloured, marked=True)

    def _put_in_chart(self, fold: int) -> None:
        """Show the curves of a network in place of the one before."""
        chart, unblock = self._chart, self._chart.StartModify()
        title = self._title
        if self._news["folds"] > 1:
            title = _("{model}, network {n} of {all}").format(
                model=title, n=fold + 1, all=self._news["folds"]
            )
        chart.SetTitle(title)
        chart.RemoveAllPlotSeriesNodeIDs()
        for drawn in self._drawn[fold]:
            for series in drawn.series:
                chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.EndModify(unblock)

    def _new(self, kind: str, name: str) -> Any:
        named = name.format(model=self._title)
        return self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(named))

    def _layout(self) -> Any:
        return self._scene.GetFirstNodeByClass("vtkMRMLLayoutNode")

    def _layout_with_plot(self) -> int:
        logic = slicer.modules.plots.logic()
        return int(logic.GetLayoutWithPlot(self._layout_before))


class Drawn:
    """A table and a curve for each of its columns but the first, the epochs.

    Args:
        scene: The MRML scene.
        table: The table's node, which is empty.
        colours: RGB of each column, by its name.
        marked: Whether each point has a mark.
    """

    def __init__(
        self, scene: Any, table: Any, colours: Mapping[str, Sequence[int]], *, marked: bool
    ) -> None:
        from vtkmodules.vtkCommonCore import vtkDoubleArray

        self._table = table
        for name in (_EPOCH, *colours):
            column = vtkDoubleArray()
            column.SetName(name)
            table.AddColumn(column)
        table.SetUseColumnTitleAsColumnHeader(True)
        table.SetLocked(True)
        self.series = [self._curve(scene, name, colours[name], marked) for name in colours]

    def fill(self, rows: Rows) -> None:
        """Show these rows, each the epoch and the value of each curve."""
        table = self._table.GetTable()
        for place in range(table.GetNumberOfColumns()):
            column = table.GetColumn(place)
            column.SetNumberOfValues(len(rows))
            for row, values in enumerate(rows):
                column.SetValue(row, values[place])
            column.Modified()
        table.Modified()
        self._table.Modified()

    def _curve(self, scene: Any, name: str, colour: Sequence[int], marked: bool) -> Any:
        kind = slicer.vtkMRMLPlotSeriesNode
        series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
        unblock = series.StartModify()
        series.SetAndObserveTableNodeID(self._table.GetID())
        series.SetXColumnName(_EPOCH)
        series.SetYColumnName(name)
        series.SetPlotType(kind.PlotTypeScatter)
        series.SetLineStyle(kind.LineStyleSolid)
        series.SetMarkerStyle(kind.MarkerStyleCircle if marked else kind.MarkerStyleNone)
        series.SetColor(*(value / 255.0 for value in colour))
        series.EndModify(unblock)
        return series
