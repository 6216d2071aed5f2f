"""From scores on the model's grid to labels on the scan's, row by row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from MedAssistLib.models.plan import InferencePlan
from MedAssistLib.segment.engine.cells import Decision, Layer, Lines, Plane
from MedAssistLib.segment.engine.prepare import Placement
from MedAssistLib.segment.engine.resample import (
    LINEAR,
    Interpolation,
    interpolation,
    resample,
    taps,
)

Labels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Probabilities = npt.NDArray[np.float32]

# Bytes of scores on the scan's grid that may exist at once.
_SLAB_BYTES = 256 * 2**20
_HALF = 0.5


class Placer(Protocol):
    """Takes the scores on the model's grid in rising rows, and has the labels in the end."""

    def add(self, scores: torch.Tensor) -> None:
        """Take the next rows of scores, axes (output, row, j, i)."""
        ...

    def labels(self) -> Labels:
        """Return the labels on the scan's grid, axes (k, j, i) of the scan."""
        ...


def label_table(plan: InferencePlan) -> Labels:
    """Return the label of each winner of a plan's :class:`Decision`."""
    table = [0, *plan.regions] if plan.regions else list(range(plan.outputs))
    if max(table) < 256:
        return np.array(table, dtype=np.uint8)
    return np.array(table, dtype=np.uint16)


def placer(plan: InferencePlan, placement: Placement, device: str, *, whole: bool) -> Placer:
    """Return what puts a plan's scores onto the scan's grid.

    Args:
        plan: The model's.
        placement: Where the model's grid lies.
        device: Torch device that the scores are on.
        whole: Keep all scores and compute the probabilities too.
    """
    how = interpolation(plan.scores, placement.model_spacing, placement.spacing)
    if whole or max(how.orders) > LINEAR:
        return Whole(plan, placement, how, device)
    return Stream(plan, placement, how, device)


def _interpolated(scores: torch.Tensor, plan: InferencePlan) -> torch.Tensor:
    """Return what is interpolated; of probabilities by themselves, what they are above one half."""
    if not plan.likelihoods:
        return scores
    return scores.sigmoid() - _HALF if plan.regions else scores.softmax(0)


def _probable(interpolated: torch.Tensor, plan: InferencePlan) -> torch.Tensor:
    """Return probabilities from what was interpolated."""
    if plan.likelihoods:
        return interpolated + _HALF if plan.regions else interpolated
    return interpolated.sigmoid() if plan.regions else interpolated.softmax(0)


class _Canvas:
    """The labels of the scan, filled row by row along the model's first axis."""

    def __init__(self, plan: InferencePlan, placement: Placement) -> None:
        self._table = label_table(plan)
        self.labels: Labels = np.zeros(placement.scan_size, dtype=self._table.dtype)
        # A view: what is written along the model's axes lands where it belongs in the scan.
        self._inside = placement.turn.there(self.labels)[placement.box]

    def put(self, first: int, winners: torch.Tensor) -> None:
        """Set rows (row, j, i) of the box from ``first`` on."""
        self._inside[first : first + len(winners)] = self._table[winners.cpu().numpy()]


class Stream:
    """Linear or nearest interpolation, with two rows of scores at a time."""

    def __init__(
        self, plan: InferencePlan, placement: Placement, how: Interpolation, device: str
    ) -> None:
        lines = [
            taps(old, new, *how.along(axis))
            for axis, (old, new) in enumerate(zip(placement.size, placement.box_size, strict=True))
        ]
        self._plan = plan
        self._canvas = _Canvas(plan, placement)
        self._decision = Decision(bool(plan.regions))
        self._lines = Lines.of((lines[1], lines[2]), placement.size[1:], device)
        # New rows by the two rows of the model's grid between which they lie.
        self._ready: dict[int, dict[int, list[tuple[int, float]]]] = defaultdict(dict)
        for row, (low, high, weight) in enumerate(zip(*lines[0], strict=True)):
            self._ready[int(high)].setdefault(int(low), []).append((row, float(weight)))
        self._arrived = 0
        self._last: Plane | None = None

    def add(self, scores: torch.Tensor) -> None:
        """Take the next rows of scores, axes (output, row, j, i)."""
        scores = _interpolated(scores, self._plan)
        for row in range(scores.shape[1]):
            plane = Plane(scores[:, row], self._decision)
            for low, rows in self._ready.pop(self._arrived, {}).items():
                below = plane if low == self._arrived or self._last is None else self._last
                layer = Layer(below, plane, self._lines, self._decision)
                for new, weight in rows:
                    self._canvas.put(new, layer.row(weight)[None])
            self._last = plane
            self._arrived += 1

    def labels(self) -> Labels:
        """Return the labels on the scan's grid, axes (k, j, i) of the scan."""
        return self._canvas.labels


class Whole:
    """Any interpolation, with all scores of the model's grid kept; also gives probabilities."""

    def __init__(
        self, plan: InferencePlan, placement: Placement, how: Interpolation, device: str
    ) -> None:
        self._plan, self._placement, self._how = plan, placement, how
        self._decision = Decision(bool(plan.regions))
        self._scores = torch.empty(plan.outputs, *placement.size, device=device)
        self._arrived = 0

    def add(self, scores: torch.Tensor) -> None:
        """Take the next rows of scores, axes (output, row, j, i)."""
        count = scores.shape[1]
        self._scores[:, self._arrived : self._arrived + count] = _interpolated(scores, self._plan)
        self._arrived += count

    def labels(self) -> Labels:
        """Return the labels on the scan's grid, axes (k, j, i) of the scan."""
        canvas = _Canvas(self._plan, self._placement)
        for first, scores in self._slabs():
            canvas.put(first, self._decision.winner(scores.movedim(0, -1)))
        return canvas.labels

    def probabilities(self) -> Probabilities:
        """Return the probability of each output, axes (output, k, j, i) of the scan.

        Beyond what the model saw, the background is certain.
        """
        place = self._placement
        result = np.zeros((self._plan.outputs, *place.scan_size), dtype=np.float32)
        if not self._plan.regions:
            result[0] = 1.0
        inside = [place.turn.there(layer)[place.box] for layer in result]
        for first, scores in self._slabs():
            likely = _probable(scores, self._plan)
            for layer, values in zip(inside, likely.cpu().numpy(), strict=True):
                layer[first : first + scores.shape[1]] = values
        return result

    def _slabs(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield scores on the scan's grid, axes (output, row, j, i), with their first row."""
        size = self._placement.box_size
        count = max(1, _SLAB_BYTES // (4 * self._plan.outputs * size[1] * size[2]))
        for first in range(0, size[0], count):
            rows = first, min(first + count, size[0])
            yield first, resample(self._scores, size, self._how, rows)
