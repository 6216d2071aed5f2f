"""Located models: a head is found in the scan, and a network is run at each place known in it."""

from __future__ import annotations

from MedAssistLib.segment.located.run import run_located

__all__ = ["run_located"]
