"""The flat module ``qt`` of Slicer's Python: the classes of QtCore, QtGui and QtWidgets."""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.host.errors import MissingStandInError
from Testing.host.leaks import TrackedProcess, TrackedTimer
from Testing.host.ui_loader import QUiLoader


class QSettings(QtCore.QSettings):
    """Gives lists back as tuples, as PythonQt does."""

    def value(self, key: str, default: Any = None) -> Any:
        """Return what is stored."""
        found = super().value(key, default)
        return tuple(found) if isinstance(found, list) else found


def build() -> types.ModuleType:
    """Return the module."""
    module = types.ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets):
        for name in dir(source):
            if name.startswith("Q"):
                setattr(module, name, getattr(source, name))
    for own in (QSettings, QUiLoader):
        setattr(module, own.__name__, own)
    module.QTimer = TrackedTimer
    module.QProcess = TrackedProcess
    module.__getattr__ = _missing
    return module


def _missing(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise MissingStandInError(f"qt.{name}", "it is not in Qt 6, or not among its widgets")
