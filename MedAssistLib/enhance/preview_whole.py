"""What a preview needs to know of the whole scan: filters' states, worked out once and kept."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import SimpleITK as sitk

from MedAssistLib.enhance.chain import Chain
from MedAssistLib.progress import Cancellation, Progress

_LOOK_EVERY_S = 0.01
# A whole scan may be hundreds of MB, a state is mostly some numbers.
_IMAGES_KEPT, _STATES_KEPT = 2, 64


class Whole:
    """A scan as it leaves the filters of a chain, and their states.

    Args:
        image: The scan.
    """

    def __init__(self, image: sitk.Image) -> None:
        self._image = image
        self._images: OrderedDict[Chain, sitk.Image] = OrderedDict()
        self._states: OrderedDict[Chain, Any] = OrderedDict()

    def after(self, chain: Chain, progress: Progress) -> sitk.Image:
        """Return the whole scan after a chain, float32.

        Raises:
            CancelledError: If the user asked to stop.
        """
        if chain not in self._images:
            if chain:
                last = chain[-1]
                before = self.after(chain[:-1], progress)
                wants = not last.kind.state_for_part_only
                state = self.state(chain, progress) if wants else None
                made = last.kind.apply(before, last.options, progress, state)
            else:
                made = sitk.Cast(self._image, sitk.sitkFloat32)
            _keep(self._images, chain, made, _IMAGES_KEPT)
        return self._images[chain]

    def state(self, chain: Chain, progress: Progress) -> Any:
        """Return the state of the last filter of a chain.

        Raises:
            CancelledError: If the user asked to stop.
        """
        last = chain[-1]
        if last.kind.prepare is None:
            return None
        if chain not in self._states:
            made = last.kind.prepare(self.after(chain[:-1], progress), last.options, progress)
            _keep(self._states, chain, made, _STATES_KEPT)
        return self._states[chain]

    def states(self, chain: Chain, progress: Progress) -> list[Any]:
        """Return the states of all filters of a chain.

        Raises:
            CancelledError: If the user asked to stop.
        """
        return [self.state(chain[: n + 1], progress) for n in range(len(chain))]

    def has_states(self, chain: Chain) -> bool:
        """Tell whether nothing is left to be worked out for a chain."""
        return all(
            step.kind.prepare is None or chain[: n + 1] in self._states
            for n, step in enumerate(chain)
        )


class Background:
    """One job at a time in another thread; who waits for it may give up without stopping it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "medassist-preview")
        self._lock = threading.Lock()
        self._job: tuple[Any, Cancellation, Future[Any]] | None = None

    def result(self, key: Any, work: Any, progress: Progress, patience_s: float = math.inf) -> Any:
        """Return what ``work(progress)`` returns; a job of another key is stopped first.

        Raises:
            TimeoutError: If it was not done within ``patience_s``; it goes on.
            CancelledError: If ``progress`` was cancelled, or a newer job took its place.
        """
        with self._lock:
            if self._job is None or self._job[0] != key or self._job[2].done():
                self._stop()
                mine = Cancellation()
                future = self._pool.submit(work, Progress(cancellation=mine))
                self._job = (key, mine, future)
            future = self._job[2]
        until = time.monotonic() + patience_s
        while True:
            progress.check()
            try:
                return future.result(_LOOK_EVERY_S)
            except FutureTimeout:
                if time.monotonic() > until:
                    raise

    def close(self) -> None:
        """Stop what runs."""
        with self._lock:
            self._stop()
        self._pool.shutdown(wait=True)

    def _stop(self) -> None:
        if self._job is not None:
            self._job[1].cancel()


def _keep(cache: OrderedDict[Chain, Any], key: Chain, value: Any, most: int) -> None:
    cache[key] = value
    while len(cache) > most:
        cache.popitem(last=False)
