"""Finds calls in a source that Slicer's PythonQt, or one of its two versions of Qt, does not know.

It looks at the syntax alone and knows no types: what is listed is wrong whatever it is called on.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, NamedTuple

# Properties of Qt: in PythonQt an attribute, whose call says "'str' object is not callable".
_PROPERTY_NAMES = """
text plainText html toolTip statusTip whatsThis windowTitle objectName placeholderText title
enabled visible checked checkable currentIndex currentText currentData value minimum maximum
singleStep decimals suffix prefix readOnly interval active collapsed currentPath directory
nodeTypes noneEnabled wordWrap icon iconSize alignment flat down autoDefault orientation
tracking styleSheet minimumWidth maximumWidth minimumHeight maximumHeight minimumSize
maximumSize sizeHint minimumSizeHint isActiveWindow fullScreen minimized maximized modal
windowModality rowCount columnCount currentRow selectedText cursorPosition maxLength echoMode
frameShape frameShadow lineWidth document undoAvailable sortingEnabled selectionMode
selectionBehavior editTriggers itemsExpandable rootIsDecorated showGrid topLevelItemCount
editable widgetResizable standardButtons informativeText detailedText labelText wasCanceled
remainingTime sliderPosition maximumBlockCount handleWidth windowOpacity openLinks
"""
PROPERTIES = frozenset(_PROPERTY_NAMES.split())
_OVERLOADED = frozenset(
    {"activated", "currentIndexChanged", "highlighted", "buttonClicked", "valueChanged", "finished"}
)
_QT6_ONLY = frozenset({"checkStateChanged", "colorScheme"})
_GONE_IN_QT6 = frozenset(
    {"QRegExp", "QRegExpValidator", "QTextCodec", "QDesktopWidget", "grabWidget", "QStringRef"}
)
_PYSIDE = frozenset({"Signal", "Slot", "Property", "QtCore", "QtGui", "QtWidgets"})
_BINDINGS = frozenset({"PySide6", "PySide2", "PyQt5", "PyQt6", "shiboken6", "qtpy"})
_ANSWERS = frozenset(
    {"getOpenFileName", "getOpenFileNames", "getSaveFileName", "getText", "getItem", "getInt"}
)
# The middle names of Qt's scoped enums: in qt.QMessageBox.StandardButton.Ok one too many.
_SCOPE_NAMES = """
AlignmentFlag CheckState ItemFlag ItemDataRole Orientation WindowType WidgetAttribute
CursorShape SortOrder ScrollBarPolicy FocusPolicy TextFormat TextInteractionFlag
KeyboardModifier MouseButton Key StandardButton ButtonRole Icon Policy Shape Shadow
SelectionMode SelectionBehavior EditTrigger ResizeMode EchoMode SizeAdjustPolicy InsertPolicy
ProcessState ProcessChannelMode ExitStatus ProcessError FileMode AcceptMode Option
StandardPixmap Format TimerType ConnectionType AspectRatioMode TransformationMode OpenModeFlag
DialogCode
"""
_SCOPES = frozenset(_SCOPE_NAMES.split())


class Finding(NamedTuple):
    """One call outside the subset: where, and what to write instead."""

    line: int
    what: str


def check_file(path: Path) -> list[str]:
    """Return the findings of a file, as ``name:line: what``."""
    return [f"{path.name}:{f.line}: {f.what}" for f in check(path.read_text(encoding="utf-8"))]


def check(source: str) -> list[Finding]:
    """Return the findings of a source, in the order of its lines."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        for kind, rules in _RULES.items():
            if isinstance(node, kind):
                found |= {Finding(node.lineno, what) for rule in rules if (what := rule(node))}
    return sorted(found)


def _keywords(node: ast.Call) -> str:
    made = node.func
    of_qt = isinstance(made, ast.Attribute) and _is_name(made.value, "qt")
    if of_qt and node.keywords and made.attr.startswith("Q"):
        return f"{made.attr}(...) takes no keywords in PythonQt: assign attributes afterwards"
    return ""


def _getter(node: ast.Call) -> str:
    read = node.func
    if not isinstance(read, ast.Attribute) or node.args or node.keywords:
        return ""
    if read.attr in PROPERTIES and not _of_item(read.value):
        return f".{read.attr} is an attribute in PythonQt: read it without ()"
    return "findChildren() needs a class in PythonQt" if read.attr == "findChildren" else ""


def _overload(node: ast.Call) -> str:
    made = node.func
    if isinstance(made, ast.Attribute) and made.attr == "connect":
        signal = made.value
        if isinstance(signal, ast.Attribute) and signal.attr in _OVERLOADED:
            return f"{signal.attr} has several kinds in Qt 5: connect('{signal.attr}(...)', f)"
    return ""


def _signature(node: ast.Call) -> str:
    made = node.func
    named = isinstance(made, ast.Attribute) and made.attr in ("connect", "disconnect")
    if not named or len(node.args) != 2 or not isinstance(node.args[0], ast.Constant):
        return ""
    text = str(node.args[0].value)
    good = text.endswith(")") and "(" in text and " " not in text
    return "" if good else f"{text!r} is no signal: write it as 'name(type,type)'"


def _bytes_of_answer(node: ast.Call) -> str:
    inner = node.args[0] if node.args else None
    if (
        isinstance(node.func, ast.Name)
        and node.func.id in ("bytes", "str")
        and isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute)
        and inner.func.attr.startswith("readAll")
    ):
        return f"{node.func.id}(QByteArray) fails in PythonQt: use .data().decode()"
    return ""


def _version(node: ast.Attribute) -> str:
    if node.attr == "currentData":
        return "currentData is a value in PythonQt and a method in PySide: itemData(currentIndex)"
    if node.attr == "setContentsMargins":
        return "setContentsMargins is gone from PySide with properties: set margins in the .ui"
    if node.attr in _QT6_ONLY:
        return f"{node.attr} is not in Qt 5"
    return f"{node.attr} is not in Qt 6" if node.attr in _GONE_IN_QT6 else ""


def _namespace(node: ast.Attribute) -> str:
    if _is_name(node.value, "qt") and node.attr in _PYSIDE:
        return f"qt.{node.attr} is PySide's: PythonQt's qt is flat, and defines no signals"
    owner = node.value
    if not isinstance(owner, ast.Attribute):
        return ""
    in_qt = ast.unparse(owner.value) == "qt.Qt"
    if in_qt or (owner.attr in _SCOPES and _from_qt(owner.value)):
        return f"{owner.attr}.{node.attr} is a scoped enum: leave out {owner.attr}"
    return ""


def _binding(node: ast.Import | ast.ImportFrom) -> str:
    module = getattr(node, "module", None)
    if module in ("qt", "ctk"):
        return f"import {module} as a whole: its classes are made when first asked for"
    names = [module] if module else [alias.name for alias in node.names]
    wrong = [name for name in names if name.split(".")[0] in _BINDINGS]
    return f"{wrong[0]} is not in Slicer: use qt" if wrong else ""


def _assignment(node: ast.Assign) -> str:
    for target in node.targets:
        if isinstance(target, ast.Attribute) and target.attr == "singleShot":
            return "singleShot is the static method: use setSingleShot(True)"
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Attribute) and function.attr in _ANSWERS:
                return f"{function.attr} returns one plain value in PythonQt, no tuple"
    return ""


def _of_item(receiver: ast.expr) -> bool:
    """Tell whether a receiver is an item of a list or table: items are no QObjects."""
    if isinstance(receiver, ast.Call):
        receiver = receiver.func
    name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
    return name.lower().endswith("item")


def _from_qt(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return _is_name(node, "qt")


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


_RULES: dict[Any, tuple[Any, ...]] = {
    ast.Call: (_keywords, _getter, _overload, _signature, _bytes_of_answer),
    ast.Attribute: (_version, _namespace),
    (ast.Import, ast.ImportFrom): (_binding,),
    ast.Assign: (_assignment,),
}
