"""One piece of work for the worker: what is asked for, how far it is, and how it ended."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from MedAssistLib.errors import MedAssistError

_numbers = itertools.count(1)


class State(StrEnum):
    """Where a job is. The last four are ends."""

    PREPARING = "preparing"
    WAITING = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHING = "finishing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KEPT = "kept"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in (State.DONE, State.FAILED, State.CANCELLED, State.KEPT)


@dataclass(frozen=True)
class Problem:
    """Why a job failed: the kind of error, what is wrong, and what to do about it."""

    kind: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Problem:
        """Return an exception as a problem."""
        if isinstance(error, MedAssistError):
            where = f"{error.where}: " if error.where else ""
            return cls(error.kind, f"{where}{error.what}", error.hint)
        if isinstance(error, MemoryError):
            return cls("resource", "there is not enough memory", "Close other programs")
        return cls("error", f"a fault of MedAssist: {type(error).__name__}: {error}")

    def __str__(self) -> str:
        first = self.message[:1].upper() + self.message[1:]
        return f"{first}. {self.hint}." if self.hint else f"{first}."


class NoPlaceError(Exception):
    """The result is there, but what it belongs to has left the scene."""


def _no_fields() -> Mapping[str, Any]:
    return {}


def _same(result: Mapping[str, Any]) -> Any:
    return result


def _nothing(_job: Job, _loaded: Any) -> None:
    return None


@dataclass(eq=False, kw_only=True)
class Job:
    """A job.

    Attributes:
        title: What it does, for the user.
        verb: What the worker is asked to do.
        request: What else the request says.
        prepare: Called in a thread before the job is sent; returns more of the request.
        load: Called in a thread with the result; returns what :attr:`land` needs.
        land: Called in the window's thread with the job and what was loaded. Raises
            :class:`NoPlaceError` to keep the result for later.
        hear: Called in the window's thread with the job and what the worker tells meanwhile.
        folder: Where its files are; removed when it is over and nothing in it is wanted.
        quiet: Not shown in the list of jobs; who asked looks after its failure.
        id: Its name in messages and folders.
        state: Where it is.
        stage: What is being done.
        fraction: How much is done, in [0, 1].
        eta_s: Seconds that the rest will probably take, if that is known.
        seconds: How long it took, once it is over.
        result: What the worker answered.
        problem: Why it failed, or why its result was kept.
    """

    title: str
    verb: str
    request: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[], Mapping[str, Any]] = _no_fields
    load: Callable[[Mapping[str, Any]], Any] = _same
    land: Callable[[Job, Any], None] = _nothing
    hear: Callable[[Job, Mapping[str, Any]], None] = _nothing
    folder: Path | None = None
    quiet: bool = False
    id: str = field(
        default_factory=lambda: f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_numbers)}"
    )
    state: State = State.PREPARING
    stage: str = ""
    fraction: float = 0.0
    eta_s: float | None = None
    seconds: float = 0.0
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None
