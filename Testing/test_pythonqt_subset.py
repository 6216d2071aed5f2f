"""The panel's code keeps to what PythonQt, Qt 5 and Qt 6 share; the rules are shown to fire."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.conftest import REPOSITORY
from Testing.pythonqt_subset import check, check_file

PANEL = [
    REPOSITORY / "MedAssist" / "MedAssist.py",
    *sorted((REPOSITORY / "MedAssistLib" / "panel").rglob("*.py")),
]

BAD = {
    "a getter of a property": "if self.ui.runButton.text() == 'Run': pass",
    "a getter of a property, whatever it is called on": "size = self._chosen.text()",
    "a getter of a flag": "edit.readOnly()",
    "the current index as a call": "row = combo.currentIndex()",
    "the current data": "model = combo.currentData",
    "the current data, called": "model = combo.currentData()",
    "a scoped enum": "label.alignment = qt.Qt.AlignmentFlag.AlignLeft",
    "a scoped enum of a name that is not listed": "timer.start(qt.Qt.Precision.Coarse)",
    "a scoped enum of a class": "answer == qt.QMessageBox.StandardButton.Ok",
    "keywords for a constructor": "label = qt.QLabel(text='Volume')",
    "an overloaded signal": "combo.currentIndexChanged.connect(self.onModel)",
    "a signal without types": "button.connect('clicked', self.onRun)",
    "a signal with blanks": "view.connect('selectionChanged(QItemSelection, QItemSelection)', f)",
    "a single shot by assignment": "timer.singleShot = True",
    "a file name as a tuple": "path, kind = qt.QFileDialog.getOpenFileName(None, 'Model')",
    "bytes of a QByteArray": "line = bytes(process.readAllStandardOutput()).decode()",
    "children of no class": "for child in widget.findChildren(): pass",
    "PySide": "from PySide6 import QtCore",
    "a signal of one's own": "done = qt.Signal(int)",
    "margins in code": "layout.setContentsMargins(0, 0, 0, 0)",
    "a class that Qt 6 has not": "qt.QRegExp('[0-9]')",
    "a signal that Qt 5 has not": "box.checkStateChanged.connect(self.onCheck)",
    "a name out of qt": "from qt import QLabel",
}

GOOD = """
import qt, ctk, slicer
self.ui.runButton.text = _("Run")
self.ui.runButton.connect("clicked(bool)", self.onRun)
self.ui.runButton.clicked.connect(self.onRun)
combo.connect("currentIndexChanged(int)", self.onModel)
model = combo.itemData(combo.currentIndex)
label.alignment = qt.Qt.AlignLeft
if slicer.util.confirmOkCancelDisplay(text) and answer == qt.QMessageBox.Ok: pass
path = qt.QFileDialog.getOpenFileName(None, _("Model"))
line = process.readAllStandardOutput().data().decode("utf-8", "replace")
timer.setSingleShot(True); qt.QTimer.singleShot(0, self.onNext)
name = item.text(); name = rows.item(1).text()
number = names.count("a"); label = qt.QLabel(_("Volume"))
if button.isChecked() and edit.toPlainText(): combo.setCurrentIndex(0)
"""


@pytest.mark.parametrize("snippet", BAD.values(), ids=BAD.keys())
def test_a_rule_fires_on(snippet: str) -> None:
    assert check(snippet), f"not seen: {snippet}"


def test_no_rule_fires_on_what_works_in_slicer() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize("path", PANEL, ids=lambda path: path.name)
def test_the_panel_keeps_to_the_subset(path: Path) -> None:
    """Else a button would work in the test host and raise in Slicer."""
    assert check_file(path) == []
