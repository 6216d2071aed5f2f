"""The verb *segment*: a :class:`~MedAssistLib.case.Scan` and a model give a segmentation."""

from __future__ import annotations

from MedAssistLib.segment.options import BACKENDS, DEVICES, SegmentOptions
from MedAssistLib.segment.run import SegmentResult, segment, segment_in_detail

__all__ = ["BACKENDS", "DEVICES", "SegmentOptions", "SegmentResult", "segment", "segment_in_detail"]
