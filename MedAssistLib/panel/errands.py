"""Work of a moment that would make the window wait: done in a thread, taken up in the window's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Errands:
    """Errands under way; only the window's thread calls this.

    Args:
        threads: Runs them.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._under_way: list[tuple[Future[Any], Callable[[Any], None]]] = []

    @property
    def awake(self) -> bool:
        """Whether there is anything to poll for."""
        return bool(self._under_way)

    def add(self, work: Callable[[], Any], land: Callable[[Any], None]) -> None:
        """Run an errand.

        Args:
            work: What a thread does. It may fail: then that is logged, and nothing lands.
            land: Called in the window's thread with what it returned.
        """
        self._under_way.append((self._threads.submit(work), land))

    def poll(self) -> None:
        """Take up what is done, in the order in which it was begun."""
        while self._under_way and self._under_way[0][0].done():
            future, land = self._under_way.pop(0)
            if future.exception() is None:
                land(future.result())
            else:
                logging.getLogger("MedAssist").error("an errand failed: %s", future.exception())
