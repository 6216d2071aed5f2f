"""``qMRMLWidget``: the top of every panel; tells its children which scene there is."""

from __future__ import annotations

import weakref
from typing import Any

from PySide6 import QtCore, QtWidgets

# Every stand-in that has been given a scene: one that keeps it can crash Slicer when it exits.
WITH_SCENE: weakref.WeakSet[Any] = weakref.WeakSet()


class SceneHolder:
    """What widgets that know a scene share; a mixin that comes before the class of Qt."""

    _scene: Any = None

    def mrmlScene(self) -> Any:
        """Return the scene or None."""
        return self._scene

    def _keep_scene(self, scene: Any) -> None:
        self._scene = scene
        if scene is None:
            WITH_SCENE.discard(self)
        else:
            WITH_SCENE.add(self)


class Watch:
    """Observers that are removed together; they do not count as the script's."""

    def __init__(self) -> None:
        self._entries: list[tuple[Any, int]] = []

    def add(self, target: Any, event: Any, callback: Any) -> None:
        """Observe a VTK object; the callback gets no arguments."""
        add = type(target).AddObserver  # the object's own may be one that counts
        self._entries.append((target, add(target, event, lambda *_: callback())))

    def clear(self) -> None:
        """Remove all observers."""
        for target, tag in self._entries:
            type(target).RemoveObserver(target, tag)
        self._entries.clear()


class qMRMLWidget(SceneHolder, QtWidgets.QWidget):
    """Stands in for the class of this name."""

    mrmlSceneChanged = QtCore.Signal(object)
    SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene, and tell who is connected."""
        if scene is not self._scene:
            self._keep_scene(scene)
            self.mrmlSceneChanged.emit(scene)
