"""The host as tests and ``make panel`` see it."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PySide6 import QtCore

from Testing.host import extensions, leaks, signals
from Testing.host.dialogs import Dialogs, dialogs
from Testing.host.mrml import Mrml
from Testing.host.widgets.scene_widget import WITH_SCENE
from Testing.host.window import MainWindow

_TICK_MS = 10
# Times of the thread that reads it: running, ready to run, and how often it got a processor.
_SCHEDULER = Path("/proc/thread-self/schedstat")


def _waited() -> float:
    """Return the seconds that this thread has been ready to run but had no processor; or 0."""
    try:
        return int(_SCHEDULER.read_text("ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class Host:
    """One running application with a scene, four views and the modules that were loaded.

    Attributes:
        app: ``slicer.app``.
        scene: ``slicer.mrmlScene``.
        dialogs: The dialogs that came up, and their answers.
        window: The main window; not shown until :meth:`show` or :meth:`screenshot`.
        faults: Exceptions that came out of slots and callbacks, as texts.
    """

    def __init__(self, app: Any, mrml: Mrml, qt_app: Any, temporary: Any) -> None:
        self.app, self.scene = app, mrml.scene
        self.dialogs: Dialogs = dialogs
        self.window = MainWindow(app.layoutManager())
        self.faults: list[str] = []
        self._qt_app, self._temporary = qt_app, temporary
        self._font = qt_app.font()
        self._observed = [leaks.Observed(mrml.scene, "scene"), *self._observe_singletons()]
        self._staying = {node.GetID() for node in self._nodes()}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note what scripts start, and the exceptions that Qt and VTK would only print."""
        leaks.forget_all()
        hooks = sys.excepthook, sys.unraisablehook
        sys.excepthook = self._note_fault
        sys.unraisablehook = lambda u: self._note_fault(u.exc_type, u.exc_value, u.exc_traceback)
        try:
            yield
        finally:
            sys.excepthook, sys.unraisablehook = hooks

    def load(self, path: str | Path) -> Any:
        """Load a module's file and open its panel; return the instance of the widget's class."""
        import slicer

        module = self.app.moduleManager().load(Path(path).resolve())
        slicer.util.selectModule(module.name)
        return module.widgetRepresentation().self()

    def start_up(self) -> None:
        """Tell that the application has started."""
        self.app.startupCompleted.emit()

    def process(self, seconds: float = 0.0) -> None:
        """Let events through, for this long."""
        end = time.monotonic() + seconds
        while True:
            self._qt_app.processEvents(QtCore.QEventLoop.AllEvents, _TICK_MS)
            if time.monotonic() >= end:
                return
            time.sleep(0.001)

    def wait(self, condition: Callable[[], Any], timeout: float = 20.0, what: str = "") -> Any:
        """Let events through until a condition holds; return its value.

        Raises:
            TimeoutError: If it does not hold in time (seconds).
        """
        end = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() > end:
                faults = "\n".join(self.faults)
                raise TimeoutError(
                    f"{what or condition} did not come true in {timeout} s\n{faults}"
                )
            self.process()
            time.sleep(0.001)
        return found

    @contextmanager
    def longest_gap(self) -> Iterator[list[float]]:
        """Measure the event loop: the list's only entry is its longest gap so far, in seconds.

        What the thread waited for a processor, because other programs had them all, is left out
        where the system tells it (Linux).
        """
        gap, last = [0.0], [time.perf_counter() - _waited()]
        timer = QtCore.QTimer()

        def tick() -> None:
            now = time.perf_counter() - _waited()
            gap[0], last[0] = max(gap[0], now - last[0]), now

        timer.timeout.connect(tick)
        timer.start(_TICK_MS)
        try:
            yield gap
        finally:
            tick()
            timer.stop()

    def show(self, size: tuple[int, int] = (1280, 800), panel_width: int = 400) -> None:
        """Show the window in a size, in pixels."""
        self.window.arrange(size, panel_width)
        self.window.show()
        self.process(0.05)

    def reset_views(self) -> None:
        """Show all of the volume in the slice views, and all that is in 3D in its view."""
        self.app.layoutManager().resetSliceViews()
        self.app.layoutManager().resetThreeDViews()

    @contextmanager
    def shown(self, size: tuple[int, int], panel_width: int, font_scale: float) -> Iterator[None]:
        """Show the window in a size (pixels), with all letters larger by ``font_scale``."""
        font = self._qt_app.font()
        font.setPointSizeF(self._font.pointSizeF() * font_scale)
        self._qt_app.setFont(font)
        self.show(size, panel_width)
        self.process(0.05)
        try:
            yield
        finally:
            self._qt_app.setFont(self._font)
            self.process()

    def screenshot(
        self,
        path: str | Path,
        size: tuple[int, int] = (1280, 800),
        panel_width: int = 400,
        font_scale: float = 1.0,
    ) -> QtCore.QSize:
        """Save a picture of the window (PNG); return its size."""
        with self.shown(size, panel_width, font_scale):
            picture = self.window.grab()
            if not picture.save(str(path)):
                raise OSError(f"{path} could not be written")
            return picture.size()

    def cut_off(
        self, size: tuple[int, int] = (1280, 800), panel_width: int = 400, font_scale: float = 1.0
    ) -> list[str]:
        """Return the widgets of the panel whose text does not fit, and scroll bars across it."""
        with self.shown(size, panel_width, font_scale):
            return self.window.cut_off()

    def pixels(self, view: str) -> np.ndarray:
        """Return a view's picture: of a slice view by its name, of ``"3D"`` or ``"Plot"``."""
        layout = self.app.layoutManager()
        if view == "Plot":
            return layout.plotWidget(0).plotView().pixels()
        if view == "3D":
            return layout.threeDWidget(0).threeDView().pixels()
        return layout.sliceWidget(view).sliceView().pixels()

    def close(self) -> list[str]:
        """Unload the modules, empty the scene and return what was left behind."""
        manager = self.app.moduleManager()
        self.window.moduleSelector().forget()
        for name in manager.scripted():
            manager.unload(name)
        signals.end(self.app, manager)
        self.process()
        left = leaks.stop_all()
        left += [f"{w.objectName or type(w).__name__} still has the scene" for w in self._keepers()]
        for observed in self._observed:
            left += observed.drop()
        left += [f"exception:\n{fault}" for fault in self.faults]
        left += [f"no dialog asked for the answer {answer!r}" for answer in self.dialogs.reset()]
        self.faults.clear()
        self.window.hide()
        self.app._testing = False
        self.scene.Clear()
        for node in [n for n in self._nodes() if n.GetID() not in self._staying]:
            self.scene.RemoveNode(node)
        self.app.layoutManager().reset()
        self.app.settings().clear()
        for records in (extensions.SAMPLES, extensions.CATEGORIES, extensions.INSTALLED):
            records.clear()
        self._qt_app.clipboard().clear()
        self.process()
        return left

    def testing(self, *, enabled: bool) -> None:
        """Be as Slicer started with ``--testing``."""
        self.app._testing = enabled

    def _keepers(self) -> list[Any]:
        """Return the stand-ins that should have let go of the scene, and let them."""
        kept = [w for w in list(WITH_SCENE) if leaks.is_alive(w)]
        for widget in kept:
            widget.setMRMLScene(None)
        own = "qSlicerScriptedLoadableModuleWidget"  # Slicer's part, not the script's
        return [widget for widget in kept if widget.className() != own]

    def _observe_singletons(self) -> list[leaks.Observed]:
        nodes = [self.app.applicationLogic().GetSelectionNode(), *self._nodes()]
        kinds = ("vtkMRMLSelectionNode", "vtkMRMLInteractionNode", "vtkMRMLSliceNode")
        kinds += ("vtkMRMLSliceCompositeNode", "vtkMRMLViewNode")
        chosen = {node.GetID(): node for node in nodes if any(node.IsA(kind) for kind in kinds)}
        return [leaks.Observed(node, name) for name, node in chosen.items()]

    def _nodes(self) -> list[Any]:
        return [self.scene.GetNthNode(i) for i in range(self.scene.GetNumberOfNodes())]

    def _note_fault(self, kind: Any, error: BaseException, trace: Any) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        self.faults.append(text)
        sys.__stderr__.write(text)
