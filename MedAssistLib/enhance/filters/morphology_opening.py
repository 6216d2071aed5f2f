"""Grey-scale opening: the brightest smooth background below the image."""

from __future__ import annotations

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, opened

FILTER = FilterKind(
    name="morphology.opening",
    help="Removes small bright spots and keeps the rest: use it against calcifications.",
    options=BallOptions,
    compute=opened,
    part=opened,
    reach=ball_reach,
)
