"""The verb *check*: what in a scan and its segmentation deserves a second look."""

from __future__ import annotations

from MedAssistLib.check.asking import ask, ask_if_possible
from MedAssistLib.check.calibration import calibrate
from MedAssistLib.check.context import Context
from MedAssistLib.check.identity import finding_id, with_answers
from MedAssistLib.check.merge import ranked
from MedAssistLib.check.opinion import Opinion
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.placing import named, placed, renamed
from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.check.run import check, measured
from MedAssistLib.check.thresholds import Calibration, calibration_of

__all__ = [
    "Calibration",
    "CheckOptions",
    "Context",
    "Opinion",
    "ask",
    "ask_if_possible",
    "calibrate",
    "calibration_of",
    "check",
    "finding_id",
    "measured",
    "named",
    "placed",
    "ranked",
    "renamed",
    "rule_kinds",
    "with_answers",
]
