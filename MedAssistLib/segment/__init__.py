"""The verb *segment*: a :class:`~MedAssistLib.case.Scan` and a model give a segmentation."""

from __future__ import annotations

from MedAssistLib.segment.options import DEVICES, SegmentOptions
from MedAssistLib.segment.run import segment

__all__ = ["DEVICES", "SegmentOptions", "segment"]
