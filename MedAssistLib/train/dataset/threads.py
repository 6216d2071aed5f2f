"""Cases one beside the other: reading and counting leave Python's lock most of the time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from MedAssistLib.progress import Progress

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Each holds a case in memory, and the disk is soon the slowest.
MOST_WORKERS = 4
_LOOK_S = 0.2


def in_threads(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    progress: Progress,
    workers: int = MOST_WORKERS,
) -> tuple[_Result, ...]:
    """Return what a function makes of each item, in their order.

    Args:
        work: The function; the first error that it raises ends all.
        items: The items.
        progress: Told how many are done.
        workers: Most items at a time.

    Raises:
        CancelledError: If the user asked to stop; what has begun comes to its end unheard.
    """
    results = []
    pool = ThreadPoolExecutor(min(workers, os.cpu_count() or 1))
    try:
        futures = [pool.submit(work, item) for item in items]
        for number, future in enumerate(futures):
            progress.update(number / len(items))
            while wait([future], _LOOK_S).not_done:
                progress.check()
            results.append(future.result())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    progress.update(1.0)
    return tuple(results)
