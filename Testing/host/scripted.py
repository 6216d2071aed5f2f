"""``slicer.ScriptedLoadableModule`` and ``slicer.i18n``, as far as modules use them."""

from __future__ import annotations

import sys
import types
import unittest
from pathlib import Path
from typing import Any


class ScriptedLoadableModule:
    """The base of a module's description."""

    def __init__(self, parent: Any) -> None:
        import qt
        import slicer

        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        for name, empty in (("title", ""), ("categories", []), ("dependencies", [])):
            setattr(parent, name, empty)
        icons = Path(parent.path).parent / "Resources" / "Icons"
        for suffix in (".svg", ".png"):
            icon = icons / f"{self.moduleName}{suffix}"
            if icon.is_file():
                parent.icon = qt.QIcon(str(icon))
                break
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        """Return the path of a file below ``Resources``."""
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, _page: str | None = None) -> str:
        """Return a sentence with a link."""
        return '<p>For more information, see the <a href="https://slicer.org">manual</a>.</p>'

    def runTest(self, msec: int = 100, **named: Any) -> None:
        """Run the module's test case."""
        case = getattr(sys.modules[self.__module__], f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**named)


class ScriptedLoadableModuleWidget:
    """The base of a module's panel."""

    def __init__(self, parent: Any = None) -> None:
        import qt
        import slicer

        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue(
            "Developer/DeveloperMode", default=False, converter=slicer.util.toBool
        )
        self.parent = parent
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename: str) -> str:
        """Return the path of a file below ``Resources``."""
        import slicer

        folder = Path(slicer.util.modulePath(self.moduleName)).parent
        return str(folder / "Resources" / filename)

    def setup(self) -> None:
        """Build the panel; Slicer adds its developers' buttons here."""

    def cleanup(self) -> None:
        """Let go of everything; called before the module is unloaded."""

    def onReload(self) -> None:
        """Run the module's file again and build a new panel."""
        import slicer

        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        import slicer

        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    """The base of a module's logic."""

    def __init__(self, _parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """Return the module's parameter node, made if there is none."""
        import slicer

        kind = "vtkMRMLScriptedModuleNode"
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, kind)
            if node is not None:
                node.SetAttribute("ModuleName", self.moduleName)  # lost when the scene is closed
                return node
        else:
            found = self.getAllParameterNodes()
            if found:
                return found[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        """Return the scene's parameter nodes of this module."""
        import slicer

        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """Return a new parameter node, not yet in the scene."""
        import slicer

        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The base of a module's test: ``runTest`` calls every method with "test" in its name."""

    messageDelay = 0

    def delayDisplay(self, message: str, requestedDelay: Any = None, msec: Any = None) -> None:
        """Tell the user how far the test is, and let events through."""
        import slicer

        del requestedDelay, msec
        slicer.util.delayDisplay(message, 0)

    def runTest(self) -> None:
        """Run the tests."""
        for name in [n for n in dir(self) if "test" in n and callable(getattr(self, n))]:
            self.setUp()
            getattr(self, name)()
            self.tearDown()


def modules() -> dict[str, types.ModuleType]:
    """Return the modules by name."""
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    kinds = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    base.__all__ = [kind.__name__ for kind in kinds]
    for kind in kinds:
        setattr(base, kind.__name__, kind)
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = _same
    i18n.translate = _same_of
    return {base.__name__: base, i18n.__name__: i18n}


def _same(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"only a text can be translated, not {text!r}")
    return text


def _same_of(_context: str, text: str) -> str:
    return _same(text)
