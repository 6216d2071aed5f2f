"""The verb *enhance*: a chain of filters turns a scan into a better one."""

from __future__ import annotations

from MedAssistLib.enhance.chain import (
    Chain,
    Step,
    default_chain,
    enhance,
    make_step,
    parse_step,
    without_unit,
)
from MedAssistLib.enhance.filters import filter_kinds
from MedAssistLib.enhance.presets import Preset, preset, presets
from MedAssistLib.enhance.preview import Preview, Shown
from MedAssistLib.enhance.saved import read_chain, write_chain

__all__ = [
    "Chain",
    "Preset",
    "Preview",
    "Shown",
    "Step",
    "default_chain",
    "enhance",
    "filter_kinds",
    "make_step",
    "parse_step",
    "preset",
    "presets",
    "read_chain",
    "without_unit",
    "write_chain",
]
