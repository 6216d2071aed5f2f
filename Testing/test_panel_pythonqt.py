"""Rules of the panel's code that are seen without running it: imports, signals, texts, forms."""

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
CLASSES = {
    "qMRMLWidget", "qMRMLNodeComboBox", "ctkCollapsibleButton", "QWidget", "QFrame", "QLabel",
    "QComboBox", "QPushButton", "QToolButton", "QCheckBox", "QLineEdit", "QListWidget",
    "QDoubleSpinBox", "QProgressBar", "QTableWidget",
}  # fmt: skip


def names_in(path: Path, tag: str, attribute: str) -> set[str]:
    """Return the attributes of a form's elements; the files are our own."""
    return {entry.get(attribute, "") for entry in ET.parse(path).getroot().iter(tag)}  # noqa: S314


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def connections(source: str) -> list[int]:
    """Return the lines that connect a signal by themselves."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "connect"
        and "slicer.app" not in ast.unparse(node.func.value)
    ]


def test_signals_are_connected_in_one_place() -> None:
    """``glue.on`` raises where there is no such signal, and shows errors that slots would lose."""
    assert [path.name for path in SOURCES if connections(path.read_text("utf-8"))] == ["glue.py"]


def test_a_connection_is_seen() -> None:
    source = "on(b, 'clicked()', f)\nb.clicked.connect(f)\nb.connect('clicked()', f)\n"
    assert connections(source) == [2, 3]


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
