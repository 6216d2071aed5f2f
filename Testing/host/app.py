"""``slicer.app``: the application as scripts see it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.host.errors import MissingStandInError
from Testing.host.module_manager import ModuleManager
from Testing.host.mrml import Mrml
from Testing.host.qt_module import QSettings


class Environment:
    """Stands in for ``QProcessEnvironment`` as ``slicer.util`` reads it."""

    def __init__(self) -> None:
        self._values = dict(os.environ)

    def keys(self) -> tuple[str, ...]:
        """Return the names."""
        return tuple(self._values)

    def value(self, name: str) -> str:
        """Return a value."""
        return self._values[name]


class App(QtCore.QObject):
    """Stands in for ``slicer.app``; Qt's own application does the rest.

    Args:
        qt_app: Qt's application.
        mrml: The scene and its logics.
        folder: Where temporary files go.
    """

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)
    SIGNALS = ("startupCompleted()", "mrmlSceneChanged(vtkMRMLScene*)")

    # The version that slicer-core is of.
    applicationName = "Slicer"
    applicationVersion = "5.13.0-2026-08-21"
    majorVersion, minorVersion, revision = 5, 13, "35953"
    platform = sys.platform
    os = sys.platform
    arch = "amd64"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"

    def __init__(self, qt_app: QtWidgets.QApplication, mrml: Mrml, folder: Path) -> None:
        super().__init__()
        self._qt_app, self._mrml = qt_app, mrml
        self._manager = ModuleManager()
        self._testing = False
        self._layout_manager: Any = None
        self._io_manager: Any = None
        self._temporary = str(folder)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(self._qt_app, name):
            return getattr(self._qt_app, name)
        raise MissingStandInError(f"slicer.app.{name}")

    @property
    def temporaryPath(self) -> str:
        """The folder of temporary files."""
        return self._temporary

    def applicationLogic(self) -> Any:
        """Return the application's logic."""
        return self._mrml.application

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._mrml.scene

    def moduleManager(self) -> ModuleManager:
        """Return the module manager."""
        return self._manager

    def moduleLogic(self, name: str) -> Any:
        """Return a module's logic."""
        return self._manager.module(name).logic()

    def layoutManager(self) -> Any:
        """Return the layout manager."""
        return self._layout_manager

    def coreIOManager(self) -> Any:
        """Return what reads and writes files."""
        return self._io_manager

    ioManager = coreIOManager

    def testingEnabled(self) -> bool:
        """Tell whether Slicer was started with ``--testing``: dialogs then answer themselves."""
        return self._testing

    def settings(self) -> QSettings:
        """Return the settings."""
        return QSettings()

    userSettings = settings

    def startupEnvironment(self) -> Environment:
        """Return the environment that processes are started with."""
        return Environment()

    def pauseRender(self) -> None:
        """Let the views wait."""
        self._layout_manager.pause(paused=True)

    def resumeRender(self) -> None:
        """Let the views draw again."""
        self._layout_manager.pause(paused=False)

    def translate(self, _context: str, text: str) -> str:
        """Return the text: the host speaks English."""
        return text
