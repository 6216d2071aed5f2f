"""What a test leaves behind: running timers and processes, observers of what stays."""

from __future__ import annotations

import subprocess
import time
import weakref
from typing import Any

import shiboken6
from PySide6 import QtCore

_GRACE_S = 1.0  # in which a process that was told to end may do so
_TIMERS: weakref.WeakSet[Any] = weakref.WeakSet()
_PROCESSES: weakref.WeakSet[Any] = weakref.WeakSet()
_POPENS: weakref.WeakSet[Any] = weakref.WeakSet()


class TrackedTimer(QtCore.QTimer):
    """A timer that is asked after the test whether it still runs."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        _TIMERS.add(self)


class TrackedProcess(QtCore.QProcess):
    """A process that is asked after the test whether it still runs."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        _PROCESSES.add(self)


# PythonQt calls them by Qt's names, and so do messages.
TrackedTimer.__name__ = TrackedTimer.__qualname__ = "QTimer"
TrackedProcess.__name__ = TrackedProcess.__qualname__ = "QProcess"


def track_popen() -> None:
    """Remember every process that Python starts."""
    native = subprocess.Popen.__init__

    def start(self: Any, *given: Any, **named: Any) -> None:
        native(self, *given, **named)
        _POPENS.add(self)

    popen: Any = subprocess.Popen
    popen.__init__ = start


class Observed:
    """The observers that scripts put on an object of VTK which outlives a test.

    Args:
        target: The object; its Python wrapper must stay referenced.
        name: What messages call it.
    """

    def __init__(self, target: Any, name: str) -> None:
        self.target, self.name = target, name
        self.tags: dict[int, str] = {}
        self._add, self._remove = target.AddObserver, target.RemoveObserver
        target.AddObserver, target.RemoveObserver = self._adding, self._removing

    def _adding(self, event: Any, callback: Any, *rest: Any) -> int:
        tag: int = self._add(event, callback, *rest)
        self.tags[tag] = f"{event} -> {getattr(callback, '__qualname__', callback)}"
        return tag

    def _removing(self, tag: Any) -> Any:
        self.tags.pop(tag, None)
        return self._remove(tag)

    def drop(self) -> list[str]:
        """Remove what is left; return its descriptions."""
        left = [f"{self.name}: {what}" for what in self.tags.values()]
        for tag in list(self.tags):
            self._removing(tag)
        return left


def forget_all() -> None:
    """Leave alone what runs by now: it is not the next test's."""
    for started in (_TIMERS, _PROCESSES, _POPENS):
        started.clear()


def stop_all() -> list[str]:
    """Stop timers and processes that still run; return their descriptions."""
    left = []
    for timer in list(_TIMERS):
        if is_alive(timer) and timer.isActive():
            left.append(f"timer {timer.objectName or ''} of {timer.interval} ms".replace("  ", " "))
            timer.stop()
    for process in list(_PROCESSES):
        if is_alive(process) and process.state() != QtCore.QProcess.NotRunning:
            left.append(f"process {process.program()}")
            process.kill()
            process.waitForFinished(5000)
    end = time.monotonic() + _GRACE_S
    for process in list(_POPENS):
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if process.poll() is None:
            left.append(f"process {process.args}")
            process.kill()
            process.wait(5)
    return left


def is_alive(thing: Any) -> bool:
    """Tell whether Qt still has an object."""
    return bool(shiboken6.isValid(thing))
