"""``slicer.modules`` and the module manager: scripted modules from their files, and logics."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.host.errors import MissingStandInError
from Testing.host.widgets import qMRMLWidget

# Slicer's own modules that scripts use and that the host has not.
_OF_SLICER = frozenset(
    {
        "annotations",
        "cameras",
        "cropvolumesequence",
        "data",
        "dicom",
        "extensionsmanager",
        "sampledata",
        "sceneviews",
        "screencapture",
        "segmenteditor",
        "segmentstatistics",
        "sequences",
        "texts",
        "units",
        "viewcontrollers",
        "welcome",
    }
)


class CoreModule:
    """A module of Slicer's own, of which only the logic is there."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name, self._logic = name, logic

    def logic(self) -> Any:
        """Return the module's logic."""
        return self._logic

    def __getattr__(self, name: str) -> Any:
        raise MissingStandInError(f"slicer.modules.{self.name.lower()}.{name}")


class qSlicerScriptedLoadableModule:
    """What a module's description is written to: ``self.parent`` of the module's class."""

    __slots__ = (
        "_manager",
        "_representation",
        "acknowledgementText",
        "categories",
        "contributors",
        "dependencies",
        "described",
        "helpText",
        "hidden",
        "icon",
        "name",
        "path",
        "title",
        "widgetRepresentationCreationEnabled",
    )

    def __init__(self, name: str, path: Path, manager: ModuleManager) -> None:
        self.name, self.path, self._manager = name, str(path), manager
        self.contributors, self.categories, self.dependencies = [], [], []
        self.title = self.helpText = self.acknowledgementText = ""
        self.hidden, self.widgetRepresentationCreationEnabled = False, True
        self.icon: Any = QtGui.QIcon()
        self.described: Any = None
        self._representation: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> Any:
        """Return the panel's parent, built at the first call."""
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget(self)
            self._representation.reload()
        return self._representation

    def forget(self) -> None:
        """Let the panel go, as when the application exits."""
        if self._representation is not None:
            self._representation.close()
            self._representation.deleteLater()
            self._representation = None


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of a panel: ``self.parent`` of the widget's class."""

    def __init__(self, module: qSlicerScriptedLoadableModule) -> None:
        super().__init__()
        self._module, self._instance, self._entered = module, None, False
        QtWidgets.QVBoxLayout(self)

    isEntered = QtCore.Property(bool, lambda self: self._entered)

    def self(self) -> Any:
        """Return the instance of the widget's class."""
        return self._instance

    def reload(self) -> None:
        """Make the instance anew from the loaded file, as Slicer does."""
        import slicer

        name = f"{self._module.name}Widget"
        self._instance = getattr(sys.modules[self._module.name], name)(self)
        setattr(slicer.modules, name, self._instance)
        self._instance.setup()
        self.setMRMLScene(slicer.mrmlScene)
        self.layout().addStretch(1)
        if self._entered and hasattr(self._instance, "enter"):
            self._instance.enter()

    def enter(self) -> None:
        """Open the module, as the user does by choosing it."""
        self._entered = True
        if hasattr(self._instance, "enter"):
            self._instance.enter()

    def exit(self) -> None:
        """Leave the module."""
        self._entered = False
        if hasattr(self._instance, "exit"):
            self._instance.exit()


class ModuleManager(QtCore.QObject):
    """Stands in for ``slicer.app.moduleManager()``."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)
    SIGNALS = ("moduleAboutToBeUnloaded(QString)", "moduleLoaded(QString)")

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Any] = {}

    def add_core(self, name: str, logic: Any) -> None:
        """List a module of Slicer's own."""
        self._modules[name] = CoreModule(name, logic)

    def load(self, path: Path) -> qSlicerScriptedLoadableModule:
        """Run a module's file and describe it, as Slicer does when it starts."""
        import slicer

        name = path.stem
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
        specification = importlib.util.spec_from_file_location(name, path)
        loaded = importlib.util.module_from_spec(specification)
        sys.modules[name] = loaded
        specification.loader.exec_module(loaded)
        module = qSlicerScriptedLoadableModule(name, path, self)
        module.described = getattr(loaded, name)(module)
        missing = [n for n in module.dependencies if n not in self._modules]
        if missing:
            raise MissingStandInError(
                f"the modules {', '.join(missing)}", f"{name} depends on them"
            )
        self._modules[name] = module
        setattr(slicer.modules, name.lower(), module)
        setattr(slicer.modules, f"{name}Instance", module.described)
        self.moduleLoaded.emit(name)
        return module

    def unload(self, name: str) -> None:
        """Let a module clean up, and forget it."""
        import slicer

        self.moduleAboutToBeUnloaded.emit(name)
        self._modules.pop(name).forget()
        for left in (name.lower(), f"{name}Instance", f"{name}Widget"):
            if hasattr(slicer.modules, left):
                delattr(slicer.modules, left)
        sys.modules.pop(name, None)

    def module(self, name: str) -> Any:
        """Return a module by name, or None."""
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        """Return the names of all modules."""
        return tuple(self._modules)

    def scripted(self) -> list[str]:
        """Return the names of the modules that were loaded from files."""
        kind = qSlicerScriptedLoadableModule
        return [name for name, module in self._modules.items() if isinstance(module, kind)]


class Modules:
    """Stands in for ``slicer.modules``."""

    def __getattr__(self, name: str) -> Any:
        if name in _OF_SLICER:
            raise MissingStandInError(f"slicer.modules.{name}")
        raise AttributeError(f"there is no module {name}")  # an extension that is not installed
