"""How fast a network learns, over the course of a training."""

from __future__ import annotations

import math


def rate(done: float, warm: float = 0.03) -> float:
    """Return the share of the greatest learning rate: a straight rise, then half a cosine to 0.

    Args:
        done: How much of the training is done, in [0, 1].
        warm: How much of it the rise takes.
    """
    if done < warm:
        return max(done / warm, 0.01)
    return 0.5 * (1.0 + math.cos(math.pi * min((done - warm) / (1.0 - warm), 1.0)))
