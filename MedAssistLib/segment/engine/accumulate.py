"""Weighted sums of overlapping tiles, a slab at a time, so that the whole never exists."""

from __future__ import annotations

from collections.abc import Callable

import torch

from MedAssistLib.segment.engine.tiles import Start, Tiling, tile_weights

# A half of less would lose the scores that it weighs.
_LEAST_HALF = 1e-4


class Accumulator:
    """Adds up tiles that come in rising order along k, and hands on the rows that are complete.

    Args:
        tiling: Where the tiles lie.
        outputs: Scores a voxel.
        dtype: Of the sums: float32 or float16.
        device: Where the sums are kept.
        finished: Called with weighted means (output, row, j, i), float32, of the next complete
            rows, without what the tiling added around the volume.
    """

    def __init__(
        self,
        tiling: Tiling,
        outputs: int,
        dtype: torch.dtype,
        device: str,
        finished: Callable[[torch.Tensor], None],
    ) -> None:
        depth, (_, j, i) = tiling.patch[0], tiling.size
        weight = tile_weights(tiling.patch, tiling.blend)
        if dtype == torch.float16:
            weight = weight.clamp(min=_LEAST_HALF)
        self._tiling, self._finished = tiling, finished
        self._weight = weight.to(device)
        self._scores = torch.zeros(outputs, depth, j, i, dtype=dtype, device=device)
        self._weights = torch.zeros(depth, j, i, device=device)
        self._first = 0

    def add(self, start: Start, scores: torch.Tensor) -> None:
        """Add a tile's scores, axes (output, k, j, i)."""
        self._hand_on(start[0])
        j, i = (slice(s, s + p) for s, p in zip(start[1:], self._tiling.patch[1:], strict=True))
        part = self._scores[:, :, j, i]
        scores = scores.to(self._weight.device)
        if part.dtype == scores.dtype == self._weight.dtype:
            part.addcmul_(scores, self._weight)
        else:
            part += scores * self._weight
        self._weights[:, j, i] += self._weight

    def finish(self) -> None:
        """Hand on all that is left."""
        self._hand_on(self._tiling.size[0])

    def _hand_on(self, row: int) -> None:
        """Hand on all rows before ``row``, which no later tile touches."""
        count = row - self._first
        if count == 0:
            return
        rows, j, i = self._tiling.inner
        low, high = (min(max(edge - self._first, 0), count) for edge in (rows.start, rows.stop))
        if high > low:
            part = self._scores[:, low:high, j, i].float()
            self._finished(part / self._weights[low:high, j, i])
        for sums, axis in ((self._scores, 1), (self._weights, 0)):
            kept = sums.shape[axis] - count
            sums.narrow(axis, 0, kept).copy_(sums.narrow(axis, count, kept).clone())
            sums.narrow(axis, kept, count).zero_()
        self._first = row
