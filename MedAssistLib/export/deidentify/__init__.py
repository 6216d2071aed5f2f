"""De-identification: copies of scans that say nothing about who was scanned, where and by whom."""

from __future__ import annotations

from MedAssistLib.export.deidentify.options import DeidentifyOptions
from MedAssistLib.export.deidentify.run import deidentify
from MedAssistLib.export.deidentify.tally import KEPT, LeftOut, Report, Row

__all__ = ["KEPT", "DeidentifyOptions", "LeftOut", "Report", "Row", "deidentify"]
