"""The host's plot view: the layout that Slicer's own logic chooses, and curves that are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from Testing.host.fixture import host  # noqa: F401 the fixture

# pytest finds fixtures by the names of arguments, which here are those of what is imported.
# ruff: noqa: F811


def charted(values: Any) -> Any:
    import slicer

    return slicer.util.plot(np.array(values), xColumnIndex=0, columnNames=["x", "y"], title="T")


def test_a_chart_is_shown_in_place_of_the_3d_view(host: Any) -> None:
    import slicer

    layout = slicer.app.layoutManager()
    assert (layout.threeDViewCount, layout.plotViewCount) == (1, 0)
    host.show()
    chart = charted([[0.0, 1.0], [1.0, 2.0], [2.0, 0.0]])
    host.process(0.1)
    assert (layout.threeDViewCount, layout.plotViewCount) == (0, 1)
    assert layout.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is chart
    before = host.pixels("Plot").astype(int)
    assert (before.min(axis=-1) < 200).sum() > 300  # a line, axes and letters
    table = chart.GetNthPlotSeriesNode(0).GetTableNode()
    slicer.util.updateTableFromArray(table, np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 3.0]]))
    for column, name in enumerate(("x", "y")):
        table.GetTable().GetColumn(column).SetName(name)
    assert np.abs(host.pixels("Plot") - before).max() > 100
    layout.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    host.process(0.1)
    assert (layout.threeDViewCount, layout.plotWidget(0)) == (1, None)


def test_a_layout_without_a_stand_in_is_said(host: Any) -> None:
    """A panel that asks for it would seem to work."""
    import slicer

    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    (fault,) = host.faults
    slicer.app.layoutManager().reset()
    host.faults.clear()
    assert "no stand-in for layout 2" in fault


def test_the_layout_outlives_the_scene(host: Any) -> None:
    import slicer

    charted([[0.0, 1.0], [1.0, 2.0]])
    slicer.mrmlScene.Clear()
    assert slicer.app.layoutManager().plotViewCount == 1
    assert slicer.app.layoutManager().plotWidget(0).plotView().chart() is None
