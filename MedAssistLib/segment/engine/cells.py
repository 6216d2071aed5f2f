"""The label of the highest score between voxels, computed only where it is in doubt.

Interpolated linearly, a score never leaves the range that it has at the corners of its cell. So
where one output wins at every corner of a cell, it wins inside; and an output whose highest corner
is below the lowest corner of another never wins inside. Both are exact. What is left, a few
outputs in the cells along the structures' borders, is interpolated and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

from MedAssistLib.segment.engine.resample import Taps

# Most outputs that are compared in a cell of each group; the last group takes what is left.
_GROUPS = (2, 4, 12)


@dataclass(frozen=True)
class Decision:
    """How scores become a winner, an index into a table of labels.

    Attributes:
        regions: Whether each output stands for itself: the last one above zero wins, at its number
            from 1, else 0. Otherwise the highest one wins, at its number from 0.
    """

    regions: bool

    def winner(self, scores: torch.Tensor) -> torch.Tensor:
        """Return int64 winners (...) of scores (..., output)."""
        if not self.regions:
            return scores.argmax(-1)
        numbers = torch.arange(1, scores.shape[-1] + 1, device=scores.device)
        return ((scores > 0) * numbers).amax(-1)


class Plane:
    """One row along k of the scores on the model's grid.

    Args:
        scores: Axes (output, j, i).
        decision: How they become a winner.
    """

    def __init__(self, scores: torch.Tensor, decision: Decision) -> None:
        # Outputs last, so that all those of a voxel lie side by side.
        self._scores = scores.movedim(0, -1).contiguous()
        self._decision = decision

    @cached_property
    def winner(self) -> torch.Tensor:
        """Winners, axes (j, i)."""
        return self._decision.winner(self._scores)

    def at(self, j: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        """Return the scores of voxels, axes (voxel, output)."""
        width = self._scores.shape[1]
        return self._scores.flatten(0, 1).index_select(0, j * width + i)


@dataclass(frozen=True)
class Lines:
    """How the new grid lies in the model's along j and i, on a device.

    Attributes:
        low: For each new voxel along j, and along i, the cell that it lies in.
        high: For each cell along j, and along i, the voxel at its far side.
        weight: For each new voxel along j, and along i, its place in the cell, in [0, 1].
    """

    low: tuple[torch.Tensor, torch.Tensor]
    high: tuple[torch.Tensor, torch.Tensor]
    weight: tuple[torch.Tensor, torch.Tensor]

    @classmethod
    def of(cls, taps: tuple[Taps, Taps], sizes: tuple[int, int], device: str) -> Lines:
        """Return the lines of the taps along j and i, from model grids of ``sizes`` voxels."""
        low, high, weight = [], [], []
        for line, size in zip(taps, sizes, strict=True):
            low.append(torch.from_numpy(line.low).to(device))
            far = torch.arange(size)
            far[torch.from_numpy(line.low)] = torch.from_numpy(line.high)
            high.append(far.to(device))
            weight.append(torch.from_numpy(line.weight).float().to(device))
        return cls((low[0], low[1]), (high[0], high[1]), (weight[0], weight[1]))

    def spread(self, cells: torch.Tensor) -> torch.Tensor:
        """Return for each new voxel (j, i) the value of the cell that it lies in."""
        return cells.index_select(0, self.low[0]).index_select(1, self.low[1])


@dataclass(frozen=True)
class _Group:
    """Doubtful cells of about as many outputs each, and the new voxels in them.

    Attributes:
        scores: Of the outputs in question at the corners, axes (k side, ji corner, cell, output).
        outputs: Which these are, axes (cell, output); rising, so that the first wins a tie.
        cell: For each new voxel the number of its cell.
        voxel: For each new voxel its place in the flattened new plane.
        weight: For each new voxel its place in the cell along j and along i.
    """

    scores: torch.Tensor
    outputs: torch.Tensor
    cell: torch.Tensor
    voxel: torch.Tensor
    weight: tuple[torch.Tensor, torch.Tensor]

    def winner(self, share: float, decision: Decision) -> torch.Tensor:
        """Return the winner of each new voxel on a new row at ``share`` between both planes."""
        corner = torch.lerp(self.scores[0], self.scores[1], share)
        along_j, along_i = (line[:, None] for line in self.weight)
        corners = [one.index_select(0, self.cell) for one in corner]
        near = torch.lerp(corners[0], corners[1], along_i)
        far = torch.lerp(corners[2], corners[3], along_i)
        best = decision.winner(torch.lerp(near, far, along_j))
        if decision.regions:
            return best
        return self.outputs.flatten().index_select(0, self.cell * self.outputs.shape[1] + best)


class Layer:
    """The cells between two neighbouring planes, or on one.

    Args:
        below: The plane before.
        above: The plane after; the same one where there is nothing between them.
        lines: How the new grid lies in them.
        decision: How scores become a winner.
    """

    def __init__(self, below: Plane, above: Plane, lines: Lines, decision: Decision) -> None:
        self._decision = decision
        least, most = below.winner, below.winner
        if above is not below:
            least = torch.minimum(least, above.winner)
            most = torch.maximum(most, above.winner)
        j, i = lines.high
        least = torch.minimum(least, least[j])
        least = torch.minimum(least, least[:, i])
        most = torch.maximum(most, most[j])
        most = torch.maximum(most, most[:, i])
        doubtful = least != most
        self._certain = lines.spread(least)
        self._groups = list(self._in_doubt((below, above), doubtful, lines))

    def row(self, share: float) -> torch.Tensor:
        """Return the winners (j, i) of a new row at ``share`` between both planes."""
        winners = self._certain.clone()
        for group in self._groups:
            winners.view(-1)[group.voxel] = group.winner(share, self._decision)
        return winners

    def _in_doubt(
        self, planes: tuple[Plane, Plane], doubtful: torch.Tensor, lines: Lines
    ) -> Iterator[_Group]:
        j, i = doubtful.nonzero(as_tuple=True)
        if not len(j):
            return
        far_j, far_i = lines.high[0][j], lines.high[1][i]
        corners = ((j, i), (j, far_i), (far_j, i), (far_j, far_i))
        scores = torch.stack(
            [torch.stack([plane.at(*corner) for corner in corners]) for plane in planes]
        )
        number = torch.full_like(doubtful, -1, dtype=torch.int64)
        number[j, i] = torch.arange(len(j), device=j.device)
        cell_of = lines.spread(number)
        voxel = (cell_of.flatten() >= 0).nonzero()[:, 0]
        cell = cell_of.flatten().index_select(0, voxel)
        for chosen, outputs in self._by_rivals(scores):
            renumbered = torch.full((len(j),), -1, device=j.device)
            renumbered[chosen] = torch.arange(len(chosen), device=j.device)
            own = renumbered.index_select(0, cell)
            mine = (own >= 0).nonzero()[:, 0]
            picked = outputs.expand(*scores.shape[:2], *outputs.shape)
            inside = voxel.index_select(0, mine)
            along = inside // cell_of.shape[1], inside % cell_of.shape[1]
            yield _Group(
                scores=scores.index_select(2, chosen).gather(-1, picked),
                outputs=outputs,
                cell=own.index_select(0, mine),
                voxel=inside,
                weight=(
                    lines.weight[0].index_select(0, along[0]),
                    lines.weight[1].index_select(0, along[1]),
                ),
            )

    def _by_rivals(self, scores: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield cells and the outputs in question in each, of as many outputs a group."""
        cells, total = scores.shape[2:]
        if self._decision.regions:
            every = torch.arange(total, device=scores.device).expand(cells, total)
            yield torch.arange(cells, device=scores.device), every
            return
        most, least = scores.amax((0, 1)), scores.amin((0, 1))
        count = (most >= least.amax(1, keepdim=True)).sum(1)
        smaller = 0
        for size in (*(n for n in _GROUPS if n < total), total):
            chosen = ((count > smaller) & (count <= size)).nonzero()[:, 0]
            smaller = size
            if len(chosen):
                yield chosen, most.index_select(0, chosen).topk(size, dim=1).indices.sort(1).values
