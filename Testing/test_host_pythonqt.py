"""The host's Qt behaves as a running Slicer's PythonQt was seen to: else tests would mislead."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from Testing.host.errors import MissingStandInError, NotInSlicerError
from Testing.host.fixture import host  # noqa: F401 the fixture
from Testing.pythonqt_subset import PROPERTIES

pytestmark = pytest.mark.usefixtures("host")


def test_a_property_is_an_attribute_and_cannot_be_called() -> None:
    import qt

    label = qt.QLabel("Volume")
    assert label.text == "Volume"
    label.text = "Model"
    assert label.text == "Model"
    with pytest.raises(TypeError, match="'str' object is not callable"):
        label.text()


@pytest.mark.parametrize("name", ["enabeld", "txt", "seText"])
def test_a_misspelt_attribute_raises(name: str) -> None:
    import qt

    button = qt.QPushButton("Run")
    with pytest.raises(AttributeError, match=name):
        setattr(button, name, True)
    with pytest.raises(AttributeError, match=name):
        getattr(button, name)


def test_setters_and_other_getters_stay_methods() -> None:
    import qt

    box, edit = qt.QCheckBox("GPU"), qt.QPlainTextEdit()
    box.setChecked(True)
    edit.setPlainText("log")
    box.setText("CPU")
    assert (box.isChecked(), box.checked, box.text) == (True, True, "CPU")
    assert edit.toPlainText() == edit.plainText == "log"


def test_a_script_may_hang_attributes_on_a_class_of_its_own() -> None:
    import qt

    class Row(qt.QWidget):
        def sizeHint(self) -> Any:  # noqa: N802
            return qt.QSize(11, 12)

    row = Row()
    row.filter = "median"
    assert row.filter == "median"


def test_names_children_and_dynamic_properties_are_found() -> None:
    import qt

    top = qt.QWidget()
    child = qt.QLabel("here", top)
    child.name = "hint"
    top.setProperty("SlicerParameterName", "model")
    assert child.objectName == "hint"
    assert top.hint.text == "here"
    assert top.SlicerParameterName == "model"
    assert child.className() == "QLabel"


def test_values_are_converted_as_pythonqt_does() -> None:
    import qt

    spin, label, box = qt.QSpinBox(), qt.QLabel(), qt.QCheckBox()
    spin.value, label.text, box.enabled = 3.9, 3, "no"
    assert (spin.value, label.text, box.enabled) == (3, "3", True)
    with pytest.raises(NotInSlicerError, match="number"):
        spin.value = "7"


def test_lists_read_back_as_tuples() -> None:
    import qt
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    assert selector.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    selector.nodeTypes = "vtk"
    assert selector.nodeTypes == ("v", "t", "k")
    settings = qt.QSettings()
    settings.setValue("MedAssist/folders", ["/a", "/b"])
    assert settings.value("MedAssist/folders") == ("/a", "/b")
    assert slicer.util.settingsValue("MedAssist/folders", ()) == ("/a", "/b")


def test_a_slot_gets_as_many_arguments_as_it_takes() -> None:
    import qt

    got: list[Any] = []
    button = qt.QPushButton("Run")
    button.connect("clicked(bool)", lambda: got.append("none"))
    button.connect("clicked(bool)", lambda checked="default": got.append(checked))
    button.connect("clicked()", lambda checked="default": got.append(checked))
    button.clicked.connect(lambda: got.append("bound"))
    button.click()
    assert got == ["none", False, "default", "bound"]


def test_signals_with_values_arrive() -> None:
    import qt

    got: list[Any] = []
    combo, spin, process = qt.QComboBox(), qt.QDoubleSpinBox(), qt.QProcess()
    combo.addItem("a", "first")
    combo.addItem("b", "second")
    combo.connect("currentIndexChanged(int)", got.append)
    spin.connect("valueChanged(double)", got.append)
    process.connect("finished(int,QProcess::ExitStatus)", lambda code: got.append(-code))
    combo.currentIndex = 1
    spin.value = 2.5
    process.start(sys.executable, ["-c", "raise SystemExit(1)"])
    process.waitForFinished()
    assert got == [1, 2.5, -1]
    assert (combo.count, combo.itemData(combo.currentIndex)) == (2, "second")


def test_mistakes_that_pythonqt_passes_over_raise() -> None:
    import qt

    button = qt.QPushButton("Run")
    with pytest.raises(NotInSlicerError, match=r"no signal nosuch\(\)"):
        button.connect("nosuch()", print)
    with pytest.raises(NotInSlicerError, match="no signal"):
        button.connect("clicked(int)", print)
    with pytest.raises(NotInSlicerError, match="needs 1 arguments"):
        button.connect("clicked()", lambda checked: None)
    with pytest.raises(NotInSlicerError, match="write it as"):
        button.connect("clicked", print)


def test_disconnecting_needs_the_same_signature() -> None:
    import qt

    got: list[str] = []
    button = qt.QPushButton("Run")

    def slot() -> None:
        got.append("ran")

    button.connect("clicked(bool)", slot)
    assert not button.disconnect("clicked()", slot)
    assert button.disconnect("clicked(bool)", slot)
    button.click()
    assert got == []


def test_an_exception_in_a_slot_does_not_reach_the_click_but_is_told(host: Any) -> None:  # noqa: F811
    import qt

    button = qt.QPushButton("Run")
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert ["ZeroDivisionError" in fault for fault in host.faults] == [True]
    host.faults.clear()


def test_enums_are_on_the_class() -> None:
    import qt

    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight
    assert qt.QMessageBox.Ok | qt.QMessageBox.Cancel
    assert qt.QProcess.NotRunning == qt.QProcess().state()


def test_a_timer_has_its_single_shot_as_a_static_method(host: Any) -> None:  # noqa: F811
    import qt

    timer, got = qt.QTimer(), []
    with pytest.raises(AttributeError):
        timer.singleShot = True
    timer.setSingleShot(True)
    timer.connect("timeout()", lambda: got.append("own"))
    timer.start(1)
    qt.QTimer.singleShot(1, lambda: got.append("static"))
    host.wait(lambda: len(got) == 2, 2)
    assert not timer.active


def test_files_and_texts_are_asked_for_as_plain_values(host: Any) -> None:  # noqa: F811
    import qt

    host.dialogs.answer("/a/model.zip", "", ("/a", "/b"), "name")
    assert qt.QFileDialog.getOpenFileName(None, "Model") == "/a/model.zip"
    assert qt.QFileDialog.getExistingDirectory(None, "Folder") == ""
    assert qt.QFileDialog.getOpenFileNames(None, "Scans") == ("/a", "/b")
    assert qt.QInputDialog.getText(None, "Chain", "Name") == "name"
    assert [shown.title for shown in host.dialogs.shown] == ["Model", "Folder", "Scans", "Chain"]


@pytest.mark.parametrize("name", ["QRegExp", "Signal", "QtWidgets", "QWebEngineView"])
def test_what_slicer_has_not_is_not_in_qt(name: str) -> None:
    import qt

    with pytest.raises((MissingStandInError, AttributeError), match=name):
        getattr(qt, name)


def test_the_static_check_names_real_properties() -> None:
    """A name of no property in its list would forbid a method that works."""
    from Testing.host.pythonqt import QtProperty, object_classes
    from Testing.host.widgets import STAND_INS

    held = [vars(kind).items() for kind in object_classes()]
    real = {name for items in held for name, entry in items if isinstance(entry, QtProperty)}
    real |= {name for kind in STAND_INS.values() for name in vars(kind)}
    assert PROPERTIES - real == set()
