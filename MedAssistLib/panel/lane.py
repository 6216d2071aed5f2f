"""A worker process and the jobs that wait for it; one runs at a time, in their order.

Only the window's thread calls a lane. It never waits: :meth:`Lane.poll`, called by a timer, looks
at what has happened since. The jobs wait here and not in the worker, so that they outlive it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from MedAssistLib.panel.jobs import Job, NoPlaceError, Problem, State
from MedAssistLib.panel.text import tr as _
from MedAssistLib.worker.client import WorkerProcess

# How long the closing panel waits for a process that it has killed.
_LAST_WAIT_S = 2.0


class Process(Protocol):
    """What a lane needs of a :class:`~MedAssistLib.worker.client.WorkerProcess`."""

    @property
    def ended(self) -> bool: ...  # noqa: D102
    @property
    def exit_status(self) -> int | None: ...  # noqa: D102
    @property
    def last_words(self) -> list[str]: ...  # noqa: D102
    def send(self, **message: Any) -> None: ...  # noqa: D102
    def receive(self) -> list[dict[str, Any]]: ...  # noqa: D102
    def ask_to_end(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102
    def wait(self, seconds: float) -> None: ...  # noqa: D102


class Lane:
    """A worker process and its jobs.

    Args:
        changed: Called with every job that has changed.
        threads: Runs what jobs prepare and load.
        start: Starts the process.
        idle_s: Seconds without work after which the process, with its loaded models, is ended.
        patience_s: Seconds that a cancelled job gets to stop by itself before it is killed.
        clock: Seconds that only grow.
    """

    def __init__(  # noqa: PLR0913
        self,
        changed: Callable[[Job], None],
        threads: ThreadPoolExecutor,
        *,
        start: Callable[[], Process] = WorkerProcess,
        idle_s: float = 600.0,
        patience_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changed, self._threads, self._start = changed, threads, start
        self._idle_s, self._patience_s, self._clock = idle_s, patience_s, clock
        self._process: Process | None = None
        self._ready = False
        self._waiting: list[Job] = []
        self._futures: dict[Job, Future[Any]] = {}
        self._current: Job | None = None
        self._began, self._deadline, self._idle_since = 0.0, 0.0, 0.0
        self._last_words: list[str] = []

    @property
    def awake(self) -> bool:
        """Whether there is anything to poll for."""
        return bool(self._process or self._waiting or self._futures)

    @property
    def process(self) -> Process | None:
        """The process, while there is one."""
        return self._process

    @property
    def last_words(self) -> list[str]:
        """What the process last wrote to its standard error."""
        return self._process.last_words if self._process else self._last_words

    def add(self, job: Job) -> None:
        """Take a job; it is prepared at once and runs when its turn comes."""
        self._waiting.append(job)
        self._set(job, State.PREPARING, _("Preparing"))
        self._futures[job] = self._threads.submit(job.prepare)

    def load_again(self, job: Job) -> None:
        """Take a result that is there already, and put it where it belongs."""
        self._futures[job] = self._threads.submit(job.load, job.result)
        self._set(job, State.FINISHING, _("Adding the result"))

    def cancel(self, job: Job) -> None:
        """Stop a job: one that waits at once, one that runs as soon as it can or is made to."""
        if job in self._waiting:
            self._waiting.remove(job)
            self._futures.pop(job, None)
            self._set(job, State.CANCELLED)
        elif job is self._current and self._process and job.state is State.RUNNING:
            self._process.send(type="cancel", id=job.id)
            self._deadline = self._clock() + self._patience_s
            self._set(job, State.CANCELLING, _("Cancelling"))

    def poll(self) -> None:
        """Look at what has happened, and begin what can begin."""
        self._take_prepared()
        self._take_messages()
        self._take_loaded()
        self._watch_process()
        self._begin_next()

    def close(self) -> None:
        """End the process with whatever it runs; every job that is not over is cancelled.

        One whose result is there already is kept instead.
        """
        if self._process:
            self._process.kill()
            self._process.wait(_LAST_WAIT_S)
        for job in [*self._waiting, *self._futures, *([self._current] if self._current else [])]:
            if not job.state.over:
                there = job.state is State.FINISHING
                self._set(job, State.KEPT if there else State.CANCELLED)
        self._process = self._current = None
        self._waiting, self._futures = [], {}

    def _take_prepared(self) -> None:
        for job in [job for job in self._waiting if job.state is State.PREPARING]:
            future = self._futures[job]
            if not future.done():
                continue
            del self._futures[job]
            try:
                job.request = {**job.request, **future.result()}
            except Exception as error:  # noqa: BLE001 whatever went wrong, the user must read it
                self._waiting.remove(job)
                self._fail(job, Problem.of(error))
                continue
            self._set(job, State.WAITING, _("Waiting"))

    def _begin_next(self) -> None:
        job = self._waiting[0] if self._waiting else None
        if self._current or job is None or job.state is not State.WAITING:
            return
        if self._process is None and not self._start_process(job):
            return
        self._waiting.remove(job)
        self._current, self._began = job, self._clock()
        stage = _("Starting") if not self._ready else _("Preparing")
        self._set(job, State.RUNNING, stage)
        if self._process:
            self._process.send(type="run", id=job.id, verb=job.verb, **job.request)

    def _start_process(self, job: Job) -> bool:
        try:
            self._process, self._ready = self._start(), False
        except OSError as error:
            self._waiting.remove(job)
            what = _("the background process could not be started ({reason})")
            self._fail(job, Problem("error", what.format(reason=error), _("Copy diagnostics")))
            return False
        return True

    def _take_messages(self) -> None:
        messages = self._process.receive() if self._process else []
        for number, message in enumerate(messages):
            kind, job = message.get("type"), self._current
            self._ready = self._ready or kind == "ready"
            if job is None or message.get("id") != job.id:
                continue
            if kind == "progress" and _is_outdated(messages, number):
                continue  # Only the newest is worth showing.
            if kind == "progress" and job.state is State.RUNNING:
                job.fraction, job.eta_s = float(message["fraction"]), message["eta_s"]
                self._set(job, State.RUNNING, str(message["stage"]))
            elif kind == "news":
                job.hear(job, message)
            elif kind == "result" and job.state is State.CANCELLING:
                self._end_current()
                self._set(job, State.CANCELLED)
            elif kind == "result":
                self._end_current()
                job.result = message
                self.load_again(job)
            elif kind == "error":
                self._end_current()
                self._fail(job, Problem(message["kind"], message["message"], message["hint"]))

    def _take_loaded(self) -> None:
        for job in [job for job in self._futures if job.state is State.FINISHING]:
            future = self._futures[job]
            if not future.done():
                continue
            del self._futures[job]
            try:
                job.land(job, future.result())
            except NoPlaceError as error:
                job.problem = Problem("kept", str(error))
                self._set(job, State.KEPT)
            except Exception as error:  # noqa: BLE001 whatever went wrong, the user must read it
                self._fail(job, Problem.of(error))
            else:
                self._set(job, State.DONE)

    def _watch_process(self) -> None:
        if self._process is None:
            return
        now = self._clock()
        if self._process.ended:
            self._gone(self._process.exit_status)
        elif self._current and self._current.state is State.CANCELLING and now > self._deadline:
            self._process.kill()
            self._deadline = now + self._patience_s
        elif not self._current and not self._waiting and now > self._idle_since + self._idle_s:
            self._process.ask_to_end()
            self._idle_since = now

    def _gone(self, status: int | None) -> None:
        """Take note that the process is gone, whoever ended it."""
        job, ready = self._current, self._ready
        if self._process:
            self._last_words = self._process.last_words
            self._process.ask_to_end()
        self._process, self._ready, self._current = None, False, None
        if job is None:
            return
        job.seconds = self._clock() - self._began
        if job.state is State.CANCELLING:
            self._set(job, State.CANCELLED)
            return
        if ready:
            what = _("the background process ended in the middle of the job (status {status})")
            hint = _(
                "Memory may have run out: close other programs, or crop the scan; run it again"
            )
        else:
            what = _("the background process did not start (status {status})")
            hint = _("Copy the diagnostics: they say why")
        self._fail(job, Problem("resource", what.format(status=status), hint))

    def _end_current(self) -> None:
        if self._current:
            self._current.seconds = self._clock() - self._began
        self._current, self._idle_since = None, self._clock()

    def _fail(self, job: Job, problem: Problem) -> None:
        job.problem = problem
        self._set(job, State.CANCELLED if problem.kind == "cancelled" else State.FAILED)

    def _set(self, job: Job, state: State, stage: str = "") -> None:
        job.state, job.stage = state, stage
        if state.over:
            job.eta_s = None
        self._changed(job)


def _is_outdated(messages: Sequence[Mapping[str, Any]], number: int) -> bool:
    """Tell whether the next message says anew how far the job is."""
    return number + 1 < len(messages) and messages[number + 1].get("type") == "progress"
