"""Starts the host: once a process, for Qt allows one application."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

_HOST: Any = None


def boot(*, interactive: bool = False) -> Any:
    """Return the process's host, started at the first call.

    Args:
        interactive: Whether a person will use it: real windows and dialogs.
    """
    global _HOST  # noqa: PLW0603 one application a process is Qt's own rule
    if _HOST is None:
        _HOST = _start(interactive=interactive)
    return _HOST


def _start(*, interactive: bool) -> Any:
    if not interactive:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if sys.platform == "linux":  # no X server is needed, and none is to be asked for
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    from PySide6 import QtCore, QtWidgets

    from Testing.host import dialogs, leaks, pythonqt

    _keep_none()
    pythonqt.install()
    dialogs.install()
    dialogs.dialogs.interactive = interactive
    leaks.track_popen()
    # Kept referenced by the host: the folder lives as long as the process.
    temporary = tempfile.TemporaryDirectory(prefix="host-", ignore_cleanup_errors=True)
    folder = Path(temporary.name)
    QtCore.qInstallMessageHandler(_pass_on)
    qt_app: Any = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    qt_app.setOrganizationName("NA-MIC")
    qt_app.setApplicationName("Slicer")
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    scope = QtCore.QSettings.UserScope
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, scope, str(folder / "settings"))
    qt_app.setStyle("Fusion")
    return _assemble(qt_app, folder, temporary)


def _keep_none() -> None:
    """Let None outlive the process, as it does by itself since Python 3.12.

    PySide6 6.12 counts on that: each call of a void method takes one of its references, and after
    some 20,000 calls there would be none left.
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def _pass_on(_kind: Any, _context: Any, text: str) -> None:
    """Write Qt's messages, without the one that every window of the offscreen platform gives."""
    if "propagateSizeHints" not in text:
        sys.__stderr__.write(f"Qt: {text}\n")


def _assemble(qt_app: Any, folder: Path, temporary: Any) -> Any:
    import slicer
    import slicer.util

    from Testing.host import ctk_module, extensions, io_manager, mrml, qt_module, scripted, widgets
    from Testing.host.app import App
    from Testing.host.host import Host
    from Testing.host.layout import LayoutManager
    from Testing.host.module_manager import (
        Modules,
        qSlicerScriptedLoadableModule,
        qSlicerScriptedLoadableModuleWidget,
    )

    sys.modules["qt"] = qt_module.build()
    sys.modules["ctk"] = ctk_module.build()
    for name, module in {**scripted.modules(), **extensions.modules()}.items():
        sys.modules[name] = module
        if name.startswith("slicer."):
            setattr(slicer, name.removeprefix("slicer."), module)
    made = mrml.boot(folder)
    slicer.mrmlScene = made.scene
    slicer.app = app = App(qt_app, made, folder)
    slicer.modules = Modules()
    slicer.selfTests = {}
    for kind in (qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget):
        setattr(slicer, kind.__name__, kind)
    for name, kind in widgets.STAND_INS.items():
        if name.startswith("q"):
            setattr(slicer, name, kind)
    for name, logic in made.logics.items():
        app.moduleManager().add_core(name, logic)
        setattr(slicer.modules, name.lower(), app.moduleManager().module(name))
    app._io_manager = io_manager.IOManager(made)
    app._layout_manager = LayoutManager(made)
    _fail_loudly(slicer)
    return Host(app, made, qt_app, temporary)


def _fail_loudly(slicer: types.ModuleType) -> None:
    from Testing.host.errors import MissingStandInError

    def missing(name: str) -> Any:
        if name.startswith(("qMRML", "qSlicer")):
            raise MissingStandInError(f"slicer.{name}")
        raise AttributeError(f"module 'slicer' has no attribute {name!r}")

    slicer.__getattr__ = missing
