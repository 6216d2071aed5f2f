"""Grey-scale closing: the darkest smooth background above the image."""

from __future__ import annotations

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, closed

FILTER = FilterKind(
    name="morphology.closing",
    help="Fills small dark gaps and keeps the rest: use it to close airways or cracks in bone.",
    options=BallOptions,
    compute=closed,
    part=closed,
    reach=ball_reach,
)
