"""What PythonQt, through which Slicer sees Qt, would not understand: found without running it."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from Testing.conftest import REPOSITORY

SOURCES = [
    REPOSITORY / "MedAssist" / "MedAssist.py",
    *sorted((REPOSITORY / "MedAssistLib" / "panel").glob("*.py")),
]
FORMS = sorted((REPOSITORY / "MedAssist" / "Resources" / "UI").glob("*.ui"))

# Properties in PythonQt: called, they raise "'str' object is not callable".
PROPERTIES = {
    "text", "value", "checked", "enabled", "visible", "currentIndex", "currentRow", "currentText",
    "toolTip", "minimum", "maximum", "plainText", "title", "suffix", "interval", "active",
    "collapsed", "nodeTypes", "noneEnabled", "objectName", "windowTitle", "decimals",
}  # fmt: skip
# Methods of classes that are no QObject, which have no properties.
PLAIN = {"item"}
FORBIDDEN = {
    "currentData": "a value in PythonQt, a method in PySide",
    "QRegExp": "gone from Qt 6",
    "QTextCodec": "gone from Qt 6",
    "QDesktopWidget": "gone from Qt 6",
    "setContentsMargins": "set margins in the .ui",
    "grabWidget": "gone from Qt 6",
}


def names_in(path: Path, tag: str, attribute: str) -> set[str]:
    """Return the attributes of a form's elements; the files are our own."""
    return {entry.get(attribute, "") for entry in ET.parse(path).getroot().iter(tag)}  # noqa: S314


CLASSES = {
    "qMRMLWidget", "qMRMLNodeComboBox", "ctkCollapsibleButton", "QWidget", "QFrame", "QLabel",
    "QComboBox", "QPushButton", "QToolButton", "QCheckBox", "QLineEdit", "QListWidget",
    "QDoubleSpinBox", "QProgressBar",
}  # fmt: skip


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def faults(path: Path) -> list[str]:
    found = []
    for node in ast.walk(tree_of(path)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found += [f"{line}: {fault}" for fault in faults_of_call(node, path.name)]
        if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN:
            found.append(f"{line}: {node.attr}: {FORBIDDEN[node.attr]}")
        if isinstance(node, ast.Attribute) and re.match(r"qt\.Qt\.\w+\.\w", ast.unparse(node)):
            found.append(f"{line}: {ast.unparse(node)}: a scoped enum")
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".singleShot"):
            found.append(f"{line}: singleShot is the static function")
    return found


def faults_of_call(node: ast.Call, file: str) -> list[str]:
    found = []
    name, owner = node.func.attr, ast.unparse(node.func.value)
    bare = not node.args and not node.keywords
    if name in PROPERTIES and bare and not any(f".{p}(" in owner for p in PLAIN):
        found.append(f"{owner}.{name}() is a property")
    if name == "connect" and file != "glue.py" and "slicer.app" not in owner:
        found.append("connect outside glue.on, which checks the signal")
    if owner == "qt" and node.keywords:
        found.append(f"qt.{name} with keywords, which PythonQt refuses")
    if name == "findChildren" and bare:
        found.append("findChildren() without a class")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_file_keeps_to_what_pythonqt_knows(path: Path) -> None:
    """It would work in the test host and fail in Slicer."""
    assert faults(path) == []


def test_the_check_finds_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(
        "a = label.text()\nb.clicked.connect(f)\nqt.QLabel(text='x')\nc = box.currentData\n"
        "d = qt.Qt.CheckState.Checked\nt.singleShot = True\nw.findChildren()\n"
        "ok = rows.item(1).text()\n"
    )
    assert [fault.split(":")[0] for fault in sorted(faults(path))] == list("1234567")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_heavy_or_foreign_is_imported_at_file_scope(path: Path) -> None:
    heavy = {"torch", "highdicom", "pandas", "scipy", "PySide6", "PyQt5", "PyQt6", "PyTorchUtils"}
    names = set()
    for node in tree_of(path).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    assert not names & heavy


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_text_can_be_translated(path: Path) -> None:
    """A text with values put in before it is looked up is never found in a translation."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_":
            (text,) = node.args
            assert isinstance(text, ast.Constant), f"{path.name}:{node.lineno}"
            assert isinstance(text.value, str)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_uses_only_known_widgets(path: Path) -> None:
    """An unknown class in a .ui becomes a plain widget without a word."""
    used = names_in(path, "widget", "class")
    assert used <= CLASSES
    text = path.read_text("utf-8")
    custom = set(re.findall(r"<customwidget>\s*<class>(\w+)</class>", text))
    assert custom == {name for name in used if not name.startswith("Q")}


def test_what_the_code_names_is_in_a_form() -> None:
    """A misspelt child of a form is an error only when it is reached."""
    named = set()
    for path in FORMS:
        named |= names_in(path, "widget", "name") | names_in(path, "layout", "name")
    for path in SOURCES:
        for name in re.findall(r"\bui\.(\w+)", path.read_text("utf-8")):
            assert name in named, f"{path.name}: ui.{name}"
