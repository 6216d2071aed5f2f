"""The engine: runs a patch-wise network over scans, and puts its answer onto the scan's grid."""

from __future__ import annotations

from MedAssistLib.segment.engine.memory import Estimate, estimate
from MedAssistLib.segment.engine.options import TiledOptions
from MedAssistLib.segment.engine.run import TiledResult, run_tiled

__all__ = ["Estimate", "TiledOptions", "TiledResult", "estimate", "run_tiled"]
