"""Errands: done in a thread, taken up in the window's, and never in its way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from MedAssistLib.panel.errands import Errands


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def poll_until(errands: Errands, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        errands.poll()
        time.sleep(0.001)


def test_they_land_in_their_order_and_in_the_windows_thread(threads: ThreadPoolExecutor) -> None:
    """An older preview would cover a newer one, or MRML be changed by a thread: a crash."""
    errands, slow = Errands(threads), threading.Event()
    landed: list[tuple[str, str]] = []

    def land(what: str) -> None:
        landed.append((what, threading.current_thread().name))

    errands.add(lambda: slow.wait(5) and "first", land)
    errands.add(lambda: "second", land)
    assert errands.awake
    time.sleep(0.05)
    errands.poll()
    assert landed == []
    slow.set()
    poll_until(errands, lambda: len(landed) == 2)
    here = threading.current_thread().name
    assert landed == [("first", here), ("second", here)]
    assert not errands.awake


def test_one_that_fails_does_not_stop_the_others(
    threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """A preview whose file is gone would freeze all later ones."""
    errands = Errands(threads)
    landed: list[str] = []

    def fail() -> str:
        raise OSError("gone")

    with caplog.at_level(logging.ERROR, "MedAssist"):
        errands.add(fail, landed.append)
        errands.add(lambda: "next", landed.append)
        poll_until(errands, lambda: landed == ["next"])
    assert "gone" in caplog.text
