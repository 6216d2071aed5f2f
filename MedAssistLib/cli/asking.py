"""Asking the person at the terminal."""

from __future__ import annotations

import signal
import sys

from MedAssistLib.errors import CancelledError, UsageError


def require_yes(question: str, *, agreed: bool) -> None:
    """Ask a question and go on only if the answer is yes.

    Args:
        question: What to ask, on standard error.
        agreed: Whether ``--yes`` was given, so that nobody needs to be asked.

    Raises:
        UsageError: If nobody can be asked.
        CancelledError: If the answer is not yes.
    """
    if agreed:
        return
    require_person()
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    # Ctrl-C would otherwise only be looked at after the answer.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer = sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, before)
    if answer.strip().lower() not in ("y", "yes"):
        raise CancelledError


def require_person() -> None:
    """Refuse to go on where nobody can be asked.

    Raises:
        UsageError: If standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked", hint="Add --yes to agree beforehand")
