"""Progress and cancellation, handed down through every verb."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from MedAssistLib.errors import CancelledError

_ETA_AFTER_S = 1.0
_ETA_AFTER_FRACTION = 0.02


@dataclass(frozen=True)
class ProgressEvent:
    """One report of how far a job is.

    Attributes:
        stage: What is being done now, as a short phrase.
        fraction: How much of the whole job is done, in [0, 1]; never falls.
        eta_s: Seconds that the rest will probably take; ``None`` while nothing is known.
    """

    stage: str
    fraction: float
    eta_s: float | None


class Cancellation:
    """A flag that any thread or signal handler may raise and that the work looks at."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()


class Progress:
    """A job's progress, or the part of it that one verb may fill.

    Args:
        report: Called with each :class:`ProgressEvent`; ``None`` for silence.
        cancellation: Looked at on every update.

    Example:
        >>> events = []
        >>> job = Progress(events.append)
        >>> job.part("read", 0.0, 0.5).update(1.0)
        >>> events[-1].stage, events[-1].fraction
        ('read', 0.5)
    """

    def __init__(
        self,
        report: Callable[[ProgressEvent], None] | None = None,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._report = report
        self._start, self._stop = 0.0, 1.0
        self._stage = ""
        self._cancellation = cancellation or Cancellation()
        self._job = _Job(time.monotonic())

    def part(self, stage: str, start: float, stop: float) -> Progress:
        """Return the share from ``start`` to ``stop`` (fractions of this one) for a named stage."""
        child = Progress(self._report, self._cancellation)
        span = self._stop - self._start
        child._start, child._stop = self._start + start * span, self._start + stop * span
        child._stage, child._job = stage, self._job
        return child

    def update(self, fraction: float) -> None:
        """Report that ``fraction`` of this part is done.

        Raises:
            CancelledError: If somebody asked to stop.
        """
        self.check()
        if self._report is None:
            return
        overall = self._start + min(max(fraction, 0.0), 1.0) * (self._stop - self._start)
        self._report(self._job.event(self._stage, overall))

    def check(self) -> None:
        """Raise :class:`CancelledError` if somebody asked to stop."""
        if self._cancellation.requested:
            raise CancelledError

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop; for callbacks that must not raise."""
        return self._cancellation.requested


class _Job:
    """What all parts of one job share: when it began and how far it is."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._furthest = 0.0

    def event(self, stage: str, fraction: float) -> ProgressEvent:
        self._furthest = max(self._furthest, fraction)
        elapsed = time.monotonic() - self._began
        known = elapsed > _ETA_AFTER_S and self._furthest > _ETA_AFTER_FRACTION
        eta = elapsed * (1.0 - self._furthest) / self._furthest if known else None
        return ProgressEvent(stage, self._furthest, eta)
