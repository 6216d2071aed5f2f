"""The ``medassist`` command: one subcommand a verb.

Results go to standard output, progress and messages to standard error. Exit status: 0 done, 2 wrong
use, 3 bad input, 4 model, 5 not enough memory or disk, 130 cancelled, 1 a fault of MedAssist.
"""

from __future__ import annotations

from MedAssistLib.cli.main import main

__all__ = ["main"]
