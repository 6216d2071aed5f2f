"""Plans that take less memory."""

from __future__ import annotations

import math
from dataclasses import replace

from MedAssistLib.train.plan import TrainPlan


def smaller(plan: TrainPlan) -> TrainPlan | None:
    """Return a plan that takes half the memory: half the batch, then smaller patches.

    Returns:
        ``None`` if there is none.
    """
    if plan.batch > 1:
        return replace(plan, batch=plan.batch // 2)
    wide = [n // w for n, w in zip(plan.patch, plan.multiple, strict=True)]
    widest = wide.index(max(wide))
    wide[widest] //= 2
    # Norms over a single voxel make no sense.
    if math.prod(wide) < 2:
        return None
    patch = list(plan.patch)
    patch[widest] = wide[widest] * plan.multiple[widest]
    return replace(plan, patch=(patch[0], patch[1], patch[2]))
