"""Plans that take less memory."""

from __future__ import annotations

import math
from dataclasses import replace

from MedAssistLib.train.plan import TrainPlan, voxels_at_the_bottom


def smaller(plan: TrainPlan) -> TrainPlan | None:
    """Return a plan that takes half the memory: half the batch, then smaller patches.

    Returns:
        ``None`` if there is none.
    """
    if plan.batch > 1:
        return replace(plan, batch=plan.batch // 2)
    whole = voxels_at_the_bottom(plan.arguments["strides"])
    wide = [n // w for n, w in zip(plan.patch, whole, strict=True)]
    widest = wide.index(max(wide))
    wide[widest] //= 2
    # Norms over a single voxel make no sense.
    if math.prod(wide) < 2:
        return None
    patch = list(plan.patch)
    patch[widest] = wide[widest] * whole[widest]
    return replace(plan, patch=(patch[0], patch[1], patch[2]))
