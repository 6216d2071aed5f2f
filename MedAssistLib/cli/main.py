"""Running a command: arguments in, exit status out, every error one line."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from MedAssistLib.cli.console import ProgressLine, native_chatter_hidden
from MedAssistLib.cli.parser import build_parser
from MedAssistLib.errors import CancelledError, MedAssistError, ResourceError, UsageError
from MedAssistLib.progress import Cancellation, Progress

_FAULT = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; ``None`` for those of the process.

    Returns:
        The exit status.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Consoles of Windows may lack × and –.
    try:
        try:
            return _command(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, such as head, has enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _command(argv: Sequence[str] | None) -> int:
    try:
        arguments = build_parser().parse_args(argv)
    except UsageError as error:
        print(f"medassist: {error}", file=sys.stderr)
        return error.exit_status
    logging.basicConfig(level=logging.DEBUG if arguments.debug else logging.ERROR)
    with native_chatter_hidden(show=arguments.debug):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    cancellation = Cancellation()
    _cancel_on_signals(cancellation)
    line = ProgressLine(sys.stderr)
    try:
        outcome = arguments.run(arguments, Progress(line.show, cancellation))
        line.clear()
        print(json.dumps(outcome.data, ensure_ascii=False) if arguments.json else outcome.text)
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        line.clear()
        return _failed(error, debug=arguments.debug)
    return 0


def _failed(error: BaseException, *, debug: bool) -> int:
    """Say in one line what went wrong and return the exit status."""
    if debug:
        traceback.print_exception(error)
    known = _known(error)
    if known is None:
        name = type(error).__name__
        what = " ".join(str(error).split())
        print(
            f"medassist: a fault of MedAssist: {name}: {what}. Run again with --debug",
            file=sys.stderr,
        )
        return _FAULT
    print(f"medassist: {known}", file=sys.stderr)
    return known.exit_status


def _known(error: BaseException) -> MedAssistError | None:
    if isinstance(error, MedAssistError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return CancelledError()
    if isinstance(error, MemoryError):
        return ResourceError("there is not enough memory", hint="Close other programs")
    return None


def _cancel_on_signals(cancellation: Cancellation) -> None:
    """Let Ctrl-C and a polite kill stop the work at its next step; the second one stops at once."""

    def cancel(number: int, _frame: Any) -> None:
        cancellation.cancel()
        signal.signal(number, signal.default_int_handler)

    handler: Callable[[int, Any], None] = cancel
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, handler)
    except ValueError:
        pass  # Not the main thread: whoever called us handles the signals.
