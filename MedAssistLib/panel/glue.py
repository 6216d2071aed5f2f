"""What every section needs of Qt, in the words that PythonQt and PySide6 share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer

from MedAssistLib.errors import MedAssistError
from MedAssistLib.panel.jobs import Problem
from MedAssistLib.panel.text import tr as _


def load_ui(folder: Path, name: str, place: Any) -> tuple[Any, Any]:
    """Load ``name.ui`` into a layout; return its widget and its named children."""
    widget = slicer.util.loadUI(str(folder / f"{name}.ui"))
    place.addWidget(widget)
    return widget, slicer.util.childWidgetVariables(widget)


def on(widget: Any, signal: str, call: Callable[..., None]) -> None:
    """Connect a signal such as ``"clicked()"``; errors in the call are shown, not lost.

    Raises:
        ValueError: If there is no such signal: PythonQt would say nothing.
    """

    def without() -> None:
        shown(call)

    def with_value(value: Any = None) -> None:
        shown(lambda: call(value))

    slot = without if signal.endswith("()") else with_value
    if widget.connect(signal, slot) is False:
        raise ValueError(f"{widget} has no signal {signal}")


def on_button(button: Any, key: str, call: Callable[[], None]) -> None:
    """Connect a button and a key, which works while the button can be seen and pressed."""
    on(button, "clicked()", call)
    # The button's own shortcut would click a tenth of a second later, and lose keys until then.
    on(qt.QShortcut(qt.QKeySequence(key), button), "activated()", call)


def shown(call: Callable[[], None]) -> None:
    """Call, and show an error instead of raising it: a slot's exceptions reach nobody."""
    try:
        call()
    except MedAssistError as error:
        slicer.util.errorDisplay(str(Problem.of(error)), windowTitle="MedAssist")
    except Exception as error:  # a fault must reach the user
        logging.getLogger("MedAssist").exception("a slot failed")
        slicer.util.errorDisplay(str(Problem.of(error)), windowTitle="MedAssist")


class Ticker:
    """Calls a function again and again, in the window's thread."""

    def __init__(self, milliseconds: int, call: Callable[[], None]) -> None:
        self._timer = qt.QTimer()
        self._timer.interval = milliseconds
        self._call = call
        on(self._timer, "timeout()", call)

    def start(self) -> None:
        """Start, if it does not run."""
        if not self._timer.active:
            self._timer.start()

    def restart(self) -> None:
        """Begin the interval anew."""
        self._timer.start()

    def stop(self) -> None:
        """Stop."""
        self._timer.stop()


def set_text(label: Any, text: str) -> None:
    """Show a text in a label, or hide the label when there is none."""
    if label.text != text:
        label.text = text
    label.visible = bool(text)


def breakable(text: str) -> str:
    """Let a long name be broken after its underscores and hyphens, so that it fits the panel."""
    return text.replace("_", "_\u200b").replace("-", "-\u200b")


def fill(combo: Any, texts: Sequence[str], chosen: int) -> None:
    """Give a combo box its entries and choose one, without telling anybody."""
    was = combo.blockSignals(True)
    there = [combo.itemText(row) for row in range(combo.count)]
    if there != list(texts):
        combo.clear()
        for text in texts:
            combo.addItem(text)
    combo.currentIndex = chosen
    combo.blockSignals(was)


def clear_form(form: Any) -> None:
    """Take all rows out of a form layout."""
    while form.count():
        item = form.takeAt(0)
        widget = item.widget() if item is not None else None
        if widget is not None:
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()


def open_files(title: str, filters: str, folder: str) -> list[str]:
    """Ask for files; empty if the user changed their mind."""
    found = qt.QFileDialog.getOpenFileNames(slicer.util.mainWindow(), title, folder, filters)
    return [str(path) for path in found]


def open_file(title: str, filters: str, folder: str) -> str:
    """Ask for a file; empty if the user changed their mind."""
    return str(qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, folder, filters))


def save_file(title: str, filters: str, path: str) -> str:
    """Ask where to write a file; empty if the user changed their mind."""
    return str(qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, path, filters))


def open_folder(title: str, folder: str) -> str:
    """Ask for a folder; empty if the user changed their mind."""
    return str(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, folder))


def agreed(text: str, details: str = "") -> bool:
    """Ask for consent."""
    more = {"detailedText": details} if details else {}
    answer: bool = slicer.util.confirmOkCancelDisplay(text, windowTitle=_("MedAssist"), **more)
    return answer
