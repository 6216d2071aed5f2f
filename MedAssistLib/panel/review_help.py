"""What a finding means: the page of its rule, in a window of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

from MedAssistLib.panel.glue import on_button
from MedAssistLib.panel.text import tr as _

KEY = "H"
_SIZE = (560, 520)


class Meaning:
    """The button "Help…" beside the finding at hand.

    Args:
        page: The file with the help about all rules; each has its name as its anchor.
        button: Opens it.
        rule: Returns the rule of the finding at hand; empty for none.
    """

    def __init__(self, page: Path, button: Any, rule: Callable[[], str]) -> None:
        self._page, self._rule = page, rule
        self.window: Any = None
        self.browser: Any = None
        on_button(button, KEY, self._show)

    def close(self) -> None:
        """Close the window."""
        if self.window is not None:
            self.window.close()
            self.window.deleteLater()
            self.window = self.browser = None

    def _show(self) -> None:
        if self.window is None:
            self._make()
        self.window.show()
        self.window.raise_()
        self.browser.scrollToAnchor(self._rule())

    def _make(self) -> None:
        self.window = qt.QDialog(slicer.util.mainWindow())
        self.window.windowTitle = _("What findings mean")
        self.browser = qt.QTextBrowser()
        column = qt.QVBoxLayout(self.window)
        column.addWidget(self.browser)
        self.window.resize(*_SIZE)
        self.browser.setSource(qt.QUrl.fromLocalFile(str(self._page)))
