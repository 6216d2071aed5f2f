"""The caller's side of the worker: starting it, talking to it, ending it with all it started.

``slicer.util.launchConsoleProcess`` gives no way to write to what it starts, so the process is
started here in the same manner, with a pipe for its standard input. No call but
:meth:`WorkerProcess.wait` waits for it: threads do the reading and writing, and
:meth:`WorkerProcess.receive` takes what has arrived.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_KEPT_LINES = 60
_LIBRARY = Path(__file__).resolve().parents[2]


def interpreter() -> str:
    """Return the Python that runs the worker: in Slicer its ``PythonSlicer``, else this one."""
    return shutil.which("PythonSlicer") or sys.executable


class WorkerProcess:
    """A worker and its pipes.

    Args:
        command: What to start; the worker with :func:`interpreter` if not given.
        environment: Variables to add to those of this process.

    Raises:
        OSError: If the system cannot start it.
    """

    def __init__(
        self, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self._arrived: queue.Queue[dict[str, Any]] = queue.Queue()
        self._requests: queue.Queue[str | None] = queue.Queue()
        self._errors: deque[str] = deque(maxlen=_KEPT_LINES)
        self._worker_id = 0
        self._process = subprocess.Popen(  # noqa: S603
            list(command) or [interpreter(), "-m", "MedAssistLib.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=worker_environment(environment or {}),
            **_apart(),
        )
        pipes = self._process
        self._reader = threading.Thread(target=self._read, args=(pipes.stdout,), daemon=True)
        for thread in (
            self._reader,
            threading.Thread(target=self._errors.extend, args=(pipes.stderr,), daemon=True),
            threading.Thread(target=self._write, args=(pipes.stdin,), daemon=True),
        ):
            thread.start()

    @property
    def process_id(self) -> int:
        """The process that was started; in Slicer the launcher of the real one."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How it ended, negative for the signal that ended it; ``None`` while it lives."""
        return self._process.poll()

    @property
    def ended(self) -> bool:
        """Whether it is gone and everything that it said has been received."""
        return not self._reader.is_alive() and self._arrived.empty()

    @property
    def last_words(self) -> list[str]:
        """The last lines on its standard error."""
        return [line.rstrip() for line in list(self._errors)]

    def send(self, **message: Any) -> None:
        """Send a message; one to a dead worker is lost."""
        self._requests.put(json.dumps(message))

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived since the last call."""
        messages = []
        while not self._arrived.empty():
            messages.append(self._arrived.get())
        return messages

    def ask_to_end(self) -> None:
        """Close its input, upon which it stops its work and ends."""
        self._requests.put(None)

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        if sys.platform == "win32":
            command = ["taskkill", "/F", "/T", "/PID", str(self._process.pid)]
            subprocess.Popen(command, **_apart())  # noqa: S603
        else:
            _end(os.killpg, self._process.pid)
            if self._worker_id:
                _end(os.kill, self._worker_id)
        self.ask_to_end()

    def wait(self, seconds: float) -> None:
        """Wait until it is gone, but not longer than this; the only call that waits."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def _read(self, pipe: IO[str]) -> None:
        for line in pipe:
            try:
                message = json.loads(line)
            except ValueError:
                self._errors.append(line)
                continue
            self._worker_id = message.get("process_id", self._worker_id)
            self._arrived.put(message)
        self._process.wait()

    def _write(self, pipe: IO[str]) -> None:
        try:
            while (line := self._requests.get()) is not None:
                pipe.write(line + "\n")
                pipe.flush()
            pipe.close()
        except OSError:
            pass  # It is dead; who reads its messages will notice.


def worker_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the worker finds this library and speaks UTF-8."""
    there = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(_LIBRARY), *([there] if there else [])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **more}


def _apart() -> dict[str, Any]:
    """Return what gives a process a group of its own, so that all of it can be ended."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}
    return {"start_new_session": True}


def _end(how: Any, number: int) -> None:
    # It may have ended by itself meanwhile.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        how(number, signal.SIGKILL)
