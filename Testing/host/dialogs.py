"""Dialogs answered by the test instead of a person, and recorded.

In a window that a person uses (``interactive``) they are shown as they are.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

_FILES = {
    "getOpenFileName": "",
    "getSaveFileName": "",
    "getOpenFileNames": (),
    "getExistingDirectory": "",
}
_INPUTS = {"getText": "", "getMultiLineText": "", "getItem": "", "getInt": 0, "getDouble": 0.0}
_BOXES = ("information", "question", "warning", "critical")


class UnexpectedDialogError(AssertionError):
    """A dialog with a choice came up and the test had queued no answer."""


@dataclass(frozen=True)
class Shown:
    """A dialog that came up.

    Attributes:
        kind: Its class or the static function, such as ``ctkMessageBox`` or ``getOpenFileName``.
        title: Its window title.
        text: What it says, with the informative and the detailed text.
        answer: What it returned.
    """

    kind: str
    title: str
    text: str
    answer: Any


class Dialogs:
    """The dialogs of the process.

    Attributes:
        shown: All that came up, in order.
        opened_urls: What was given to the desktop to open.
        interactive: Whether a person answers.
    """

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.opened_urls: list[str] = []
        self.interactive = False
        self._answers: deque[Any] = deque()

    def answer(self, *answers: Any) -> None:
        """Queue answers: a value (a button, a path, a text) or a function of the dialog."""
        self._answers.extend(answers)

    def reset(self) -> list[Any]:
        """Forget everything; return the answers that nobody asked for."""
        unused = list(self._answers)
        self._answers.clear()
        self.shown.clear()
        self.opened_urls.clear()
        return unused

    def take(self, kind: str, title: str, text: str, dialog: Any, otherwise: Any = None) -> Any:
        """Return the next answer, or ``otherwise`` if there is nothing to choose.

        Raises:
            UnexpectedDialogError: If there is a choice and no answer.
        """
        if self._answers:
            given = self._answers.popleft()
            answer = given(dialog) if callable(given) and not isinstance(given, type) else given
        elif otherwise is not None:
            answer = otherwise
        else:
            raise UnexpectedDialogError(f"{kind} came up and no answer was queued: {title}: {text}")
        self.shown.append(Shown(kind, title, text, answer))
        return answer


dialogs = Dialogs()


def install() -> None:
    """Let all dialogs of Qt go through :data:`dialogs`."""
    dialog: Any = QtWidgets.QDialog
    native = dialog.exec
    dialog.exec = dialog.exec_ = lambda self: _exec(self, native)
    box: Any = QtWidgets.QMessageBox
    box_native = QtWidgets.QMessageBox.__dict__.get("exec", native)
    box.exec = box.exec_ = lambda self: _exec(self, box_native)
    menu: Any = QtWidgets.QMenu
    menu.exec = menu.exec_ = _menu_function(menu.exec)
    for name in _BOXES:
        setattr(box, name, staticmethod(_box_function(name, getattr(box, name))))
    for owner, defaults in ((QtWidgets.QFileDialog, _FILES), (QtWidgets.QInputDialog, _INPUTS)):
        for name, cancelled in defaults.items():
            function = _plain(name, getattr(owner, name), cancelled)
            setattr(owner, name, staticmethod(function))
    services: Any = QtGui.QDesktopServices
    services.openUrl = staticmethod(_open_url)


def _exec(dialog: Any, native: Any) -> Any:
    if dialogs.interactive:
        return native(dialog)
    kind, title = type(dialog).__name__, dialog.windowTitle
    if not isinstance(dialog, QtWidgets.QMessageBox):
        texts = [label.text for label in dialog.findChildren(QtWidgets.QLabel)]
        return int(dialogs.take(kind, title, "\n".join(texts), dialog))
    parts = (dialog.text, dialog.informativeText, dialog.detailedText)
    buttons = dialog.buttons()
    only = dialog.standardButton(buttons[0]) if len(buttons) == 1 else None
    if not buttons:
        only = QtWidgets.QMessageBox.Ok
    return dialogs.take(kind, title.strip(), "\n".join(filter(None, parts)), dialog, only)


def _menu_function(native: Any) -> Any:
    """Return ``QMenu.exec``: the answer is an action, or a function of the menu that finds one."""

    def choose(menu: Any, *given: Any) -> Any:
        if dialogs.interactive:
            return native(menu, *given)
        action = dialogs.take("QMenu", menu.title, "", menu)
        if action is not None:
            action.trigger()
        return action

    return choose


def _box_function(name: str, native: Any) -> Any:
    def ask(parent: Any, title: str, text: str, *rest: Any) -> Any:
        if dialogs.interactive:
            return native(parent, title, text, *rest)
        ok = QtWidgets.QMessageBox.Ok
        alone = ok if name != "question" and (not rest or rest[0] == ok) else None
        return dialogs.take(name, title, text, None, alone)

    return ask


def _plain(name: str, native: Any, cancelled: Any) -> Any:
    """Return a static function of Qt that gives one plain value, as PythonQt does."""

    def ask(*given: Any) -> Any:
        if dialogs.interactive:
            value = native(*given)
            first, accepted = value if isinstance(value, tuple) else (value, bool(value))
            plain = tuple(first) if isinstance(first, list) else first
            return plain if accepted else cancelled
        title = given[1] if len(given) > 1 else ""
        return dialogs.take(name, title, " ".join(map(str, given[2:])), None)

    return ask


def _open_url(url: QtCore.QUrl | str) -> bool:
    text = url.toString() if isinstance(url, QtCore.QUrl) else url
    dialogs.opened_urls.append(text)
    return True
