"""The verb *measure*: a scan and a segmentation give measurements, one number each."""

from __future__ import annotations

from MedAssistLib.measure.structures import measure

__all__ = ["measure"]
