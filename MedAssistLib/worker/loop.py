"""Requests in, messages out: one thread reads, another works through the jobs in their order."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from MedAssistLib import __version__
from MedAssistLib.errors import MedAssistError, ResourceError, UsageError
from MedAssistLib.progress import Cancellation, Progress, ProgressEvent
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.jobs import run

_PATIENCE_S = 5.0


class Worker:
    """Runs jobs until its input ends.

    Args:
        out: Where the messages go.
        models: The models that stay loaded.
    """

    def __init__(self, out: TextIO, models: ModelCache | None = None) -> None:
        self._out, self._out_lock = out, threading.Lock()
        self._models = models or ModelCache()
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancellations: dict[str, Cancellation] = {}

    def serve(self, lines: Iterable[str]) -> None:
        """Take requests until there are no more, then stop what runs and return."""
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        self._send({"type": "ready", "version": __version__, "process_id": os.getpid()})
        for line in lines:
            if line.strip() and not self._take(line):
                break
        for cancellation in list(self._cancellations.values()):
            cancellation.cancel()
        self._waiting.put(None)
        thread.join(_PATIENCE_S)

    def _take(self, line: str) -> bool:
        """Take one request; return whether to go on."""
        try:
            request = json.loads(line)
            kind = request["type"]
        except (ValueError, TypeError, KeyError):
            self._send({"type": "log", "message": f"not a request: {line.strip()[:200]}"})
            return True
        if kind == "run":
            self._queue(request)
        elif kind == "cancel" and (job := self._cancellations.get(str(request.get("id", "")))):
            job.cancel()
        return bool(kind != "shutdown")

    def _queue(self, request: dict[str, Any]) -> None:
        name = str(request.get("id", ""))
        if not name or name in self._cancellations:
            what = "another job has this id" if name else "the job has no id"
            self._send({"id": name, **_error(UsageError(what, hint="Give each job its own"))})
            return
        self._cancellations[name] = Cancellation()
        self._waiting.put(request | {"id": name})

    def _work(self) -> None:
        while (request := self._waiting.get()) is not None:
            name = request["id"]
            self._send({"id": name, **self._answer(request)})
            self._cancellations.pop(name, None)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        def report(event: ProgressEvent) -> None:
            fields = {"stage": event.stage, "fraction": event.fraction, "eta_s": event.eta_s}
            self._send({"type": "progress", "id": request["id"], **fields})

        def tell(fields: Mapping[str, Any]) -> None:
            self._send({"type": "news", "id": request["id"], **fields})

        progress = Progress(report, self._cancellations[request["id"]])
        try:
            return {"type": "result", **run(request, self._models, progress, tell)}
        except MedAssistError as error:
            return _error(error)
        except MemoryError:
            self._models.clear()
            return _error(ResourceError("there is not enough memory", hint="Close other programs"))
        except Exception as error:  # noqa: BLE001 a fault must reach the user, not end the worker
            what = f"a fault of MedAssist: {type(error).__name__}: {error}"
            return _error(MedAssistError(what, hint="Run it again, and report it if it stays"))

    def _send(self, message: dict[str, Any]) -> None:
        with self._out_lock:
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()


def _error(error: MedAssistError) -> dict[str, Any]:
    message = f"{error.where}: {error.what}" if error.where else error.what
    return {"type": "error", "kind": error.kind, "message": message, "hint": error.hint}
