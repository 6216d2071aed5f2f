"""The host's stand-ins for widgets of ctk and qMRML behave as the real ones do in Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from Testing.host.errors import MissingStandInError, NotInSlicerError
from Testing.host.fixture import host  # noqa: F401 the fixture

pytestmark = pytest.mark.usefixtures("host")
_UI = """<ui version="4.0"><class>Panel</class>
<widget class="qMRMLWidget" name="Panel"><layout class="QVBoxLayout" name="rows"><item>
<widget class="{kind}" name="it">{inside}</widget></item></layout></widget>
<customwidgets><customwidget><class>qMRMLWidget</class><extends>QWidget</extends>
<header>qMRMLWidget.h</header><container>1</container></customwidget>
<customwidget><class>{kind}</class><extends>QWidget</extends><header>x.h</header></customwidget>
</customwidgets></ui>"""


def write_ui(folder: Path, kind: str, inside: str = "") -> str:
    path = folder / "Panel.ui"
    path.write_text(_UI.format(kind=kind, inside=inside), encoding="utf-8")
    return str(path)


def volume(name: str = "CT", kind: str = "vtkMRMLScalarVolumeNode") -> Any:
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass(kind, name)


def selector(**properties: Any) -> Any:
    """A node selector that has the scene; give it back with ``setMRMLScene(None)``."""
    import slicer

    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    for name, value in properties.items():
        setattr(made, name, value)
    made.setMRMLScene(slicer.mrmlScene)
    return made


def chosen(widget: Any) -> str:
    name = widget.currentNode().GetName() if widget.currentNode() else ""
    widget.setMRMLScene(None)
    return name


def test_a_selector_takes_a_node_that_is_there_but_not_one_that_comes() -> None:
    empty = selector()
    node = volume()
    assert empty.currentNode() is None
    assert empty.nodeCount() == 1
    empty.setMRMLScene(None)
    assert chosen(selector()) == "CT"
    assert chosen(selector(noneEnabled=True)) == ""
    assert node.GetName() == "CT"


def test_a_selector_without_a_scene_is_empty_and_disabled() -> None:
    import slicer

    node = volume()
    widget = slicer.qMRMLNodeComboBox()
    widget.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    assert not widget.enabled
    widget.setCurrentNode(node)
    assert widget.currentNode() is None
    widget.setMRMLScene(slicer.mrmlScene)
    assert widget.enabled
    assert chosen(widget) == "CT"


def test_a_selector_lists_its_kinds_and_no_hidden_node() -> None:
    hidden = volume("hidden")
    hidden.SetHideFromEditors(True)
    volume("labels", "vtkMRMLLabelMapVolumeNode")
    volume("surface", "vtkMRMLModelNode")
    every, own = selector(), selector(showChildNodeTypes=False)
    assert (every.nodeCount(), own.nodeCount()) == (1, 0)
    every.setMRMLScene(None)
    own.setMRMLScene(None)


def test_a_selector_tells_of_every_change() -> None:
    import slicer

    first, second = volume("first"), volume("second")
    got: list[Any] = []
    widget = selector()
    widget.connect("currentNodeChanged(vtkMRMLNode*)", got.append)
    widget.setCurrentNode(second)
    assert widget.currentNodeID == second.GetID()
    slicer.mrmlScene.RemoveNode(second)
    slicer.mrmlScene.Clear()
    widget.setMRMLScene(None)
    assert got == [second, first, None]


def test_a_selector_shows_a_new_name_and_tells_once_more() -> None:
    import qt

    node, got = volume("before"), []
    widget = selector()
    widget.connect("currentNodeChanged(vtkMRMLNode*)", got.append)
    node.SetName("after")
    node.Modified()
    assert widget.findChild(qt.QComboBox).currentText == "after"
    widget.setMRMLScene(None)
    assert got == [node, None]


def test_a_user_makes_a_node_with_a_selector() -> None:
    got: list[Any] = []
    widget = selector(baseName="Result")
    widget.connect("nodeAddedByUser(vtkMRMLNode*)", got.append)
    made = widget.addNode()
    assert got == [made]
    assert chosen(widget) == "Result"


def test_a_selector_filters_by_attribute() -> None:
    volume("plain")
    volume("marked").SetAttribute("MedAssist.modality", "CT")
    widget = selector()
    widget.addAttribute("vtkMRMLScalarVolumeNode", "MedAssist.modality", "CT")
    assert widget.nodeCount() == 1
    widget.setMRMLScene(None)


def test_a_collapsed_section_hides_its_contents_and_brings_back_only_those(host: Any) -> None:  # noqa: F811
    import ctk
    import qt

    section = ctk.ctkCollapsibleButton()
    section.text = "Segment"
    rows, got = qt.QVBoxLayout(section), []
    shown, hidden = qt.QLabel("shown"), qt.QLabel("hidden")
    for label in (shown, hidden):
        rows.addWidget(label)
    section.connect("contentsCollapsed(bool)", got.append)
    section.show()
    hidden.visible = False
    tall = section.sizeHint().height()
    section.collapsed = True
    assert not shown.visible
    assert section.sizeHint().height() < tall
    section.collapsed = False
    assert (shown.visible, hidden.visible, got) == (True, False, [True, False])
    section.close()


def test_a_slider_keeps_to_its_range_and_decimals() -> None:
    import ctk

    slider, got = ctk.ctkSliderWidget(), []
    slider.decimals, slider.maximum, slider.singleStep = 1, 10.0, 0.5
    slider.connect("valueChanged(double)", got.append)
    slider.value = 3.26
    slider.setValue(3.3)
    slider.value = 40
    slider.slider().value = 500
    assert got == [3.3, 10.0, 5.0]
    assert slider.spinBox().value == 5.0


@pytest.mark.parametrize("kind", ["ctkRangeWidget", "ctkDoubleRangeSlider"])
def test_a_range_keeps_its_order(kind: str) -> None:
    import ctk

    widget, got = getattr(ctk, kind)(), []
    widget.connect("valuesChanged(double,double)", lambda low, high: got.append((low, high)))
    widget.setValues(20, 10)
    widget.minimumValue = 15
    widget.minimumValue = 90
    assert got == [(10.0, 20.0), (15.0, 20.0), (20.0, 20.0)]


def test_a_path_is_looked_for(host: Any) -> None:  # noqa: F811
    import ctk

    field, got = ctk.ctkPathLineEdit(), []
    field.connect("currentPathChanged(QString)", got.append)
    host.dialogs.answer("/models/liver", "")
    field.browse()
    field.browse()
    assert got == ["/models/liver"]


def test_a_table_of_segments_shows_and_hides_them() -> None:
    import qt
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    node.CreateDefaultDisplayNodes()
    for name in ("liver", "spleen"):
        node.GetSegmentation().AddEmptySegment(name, name, [1.0, 0.5, 0.0])
    table = slicer.qMRMLSegmentsTableView()
    table.setSegmentationNode(node)
    cells = table.findChild(qt.QTableWidget)
    cells.item(1, 0).setCheckState(qt.Qt.Unchecked)
    assert not node.GetDisplayNode().GetSegmentVisibility("spleen")
    table.setSelectedSegmentIDs(["spleen"])
    assert table.selectedSegmentIDs() == ("spleen",)
    node.GetSegmentation().RemoveSegment("liver")
    assert cells.rowCount == 1
    table.setSegmentationNode(None)


def test_a_class_without_a_stand_in_is_named(tmp_path: Path) -> None:
    import ctk
    import slicer

    with pytest.raises(MissingStandInError, match="qMRMLSegmentEditorWidget"):
        slicer.util.loadUI(write_ui(tmp_path, "qMRMLSegmentEditorWidget"))
    with pytest.raises(MissingStandInError, match=r"slicer\.qMRMLPlotWidget"):
        _ = slicer.qMRMLPlotWidget
    with pytest.raises(MissingStandInError, match=r"ctk\.ctkDial"):
        _ = ctk.ctkDial


def test_a_property_that_the_class_has_not_is_named(tmp_path: Path) -> None:
    import slicer

    wrong = '<property name="invertThreshold"><bool>true</bool></property>'
    with pytest.raises(NotInSlicerError, match="invertThreshold"):
        slicer.util.loadUI(write_ui(tmp_path, "QCheckBox", wrong))
    dynamic = wrong.replace('Threshold"', 'Threshold" stdset="0"')
    assert slicer.util.loadUI(write_ui(tmp_path, "QCheckBox", dynamic)).it.invertThreshold


def test_every_stand_in_can_be_made_from_a_file(tmp_path: Path) -> None:
    """A signature of __init__ that Qt's loader cannot call would show only in a panel."""
    import slicer

    from Testing.host.widgets import STAND_INS

    for kind in set(STAND_INS) - {"ctkMessageBox", "qMRMLWidget"}:
        assert slicer.util.loadUI(write_ui(tmp_path, kind)).it.className() == kind
