"""What a terminal shows beside the result: a progress line, and no chatter of native libraries."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from MedAssistLib.progress import ProgressEvent

_BAR = 24


class ProgressLine:
    """Progress on one line that is written over; silent away from a terminal.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._width = 0

    def show(self, event: ProgressEvent) -> None:
        """Show how far the job is."""
        if self._terminal:
            self._write(_line(event))

    def clear(self) -> None:
        """Remove the line."""
        if self._width:
            self._write("")

    def _write(self, text: str) -> None:
        self._stream.write("\r" + text.ljust(self._width) + "\r" * (not text))
        self._stream.flush()
        self._width = len(text)


def _line(event: ProgressEvent) -> str:
    done = round(event.fraction * _BAR)
    bar = "█" * done + "░" * (_BAR - done)
    left = "" if event.eta_s is None else f", {event.eta_s:.0f} s left"
    return f"{bar} {event.fraction:4.0%}  {event.stage}{left}"


@contextmanager
def native_chatter_hidden(*, show: bool) -> Iterator[None]:
    """Hide what ITK, VTK and drivers print on standard error past Python, unless ``show``.

    Python's own ``sys.stderr`` goes on to the real one.
    """
    if show or not _is_real(sys.stderr):
        yield
        return
    real = sys.stderr
    real.flush()
    kept = os.dup(real.fileno())
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, real.fileno())
    os.close(silent)
    shown = io.TextIOWrapper(
        io.FileIO(kept, "w"), encoding=real.encoding, errors=real.errors, write_through=True
    )
    sys.stderr = shown
    try:
        yield
    finally:
        sys.stderr = real
        os.dup2(kept, real.fileno())
        shown.close()


def _is_real(stream: TextIO) -> bool:
    """Tell whether a stream is the process's own standard error, not a test's or a program's."""
    try:
        return stream is sys.__stderr__ and stream.fileno() == 2
    except (OSError, ValueError):
        return False
