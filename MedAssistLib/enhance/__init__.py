"""The verb *enhance*: a chain of filters turns a scan into a better one on the same grid."""

from __future__ import annotations

from MedAssistLib.enhance.chain import Step, default_chain, enhance, parse_step
from MedAssistLib.enhance.filters import filter_kinds

__all__ = ["Step", "default_chain", "enhance", "filter_kinds", "parse_step"]
