"""Sizes of patches: what a network can take, and what takes less memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from MedAssistLib.train.augment import Size
from MedAssistLib.train.plan import TrainPlan


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


def voxels_at_the_bottom(strides: Sequence[Sequence[int] | int]) -> Size:
    """Return how many voxels of a patch, along each axis, become one at the coarsest stage.

    Args:
        strides: Of each stage, one for all axes or one for each.
    """
    along = [entry if isinstance(entry, Sequence) else (entry,) * 3 for entry in strides]
    k, j, i = (math.prod(entry[axis] for entry in along) for axis in range(3))
    return k, j, i
