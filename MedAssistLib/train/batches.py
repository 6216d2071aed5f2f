"""Batches: which cases, which part of each, moved and varied, in an order that can be repeated.

All random numbers of an epoch come from one generator that is seeded with the epoch, so that a
training that goes on after an interruption draws what it would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from MedAssistLib.train.augment import Augmentation, Random, Size, places, sample, vary
from MedAssistLib.train.augment.spatial import Places
from MedAssistLib.train.dataset import IGNORED
from MedAssistLib.train.examples import Example

# Up to so many outputs, voxels are shared out between them where a moved border cuts them.
_MOST_SHARED = 8
# How far, in voxels, a patch that is as large as the case may lie off its middle.
_SLACK = 2.0


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """How batches are drawn.

    Attributes:
        patch: Voxels of a patch, (k, j, i).
        batch: Patches of a batch.
        foreground: Share of the patches that lie about a voxel of some structure.
        spacing: mm along (k, j, i).
        augmentation: How patches are moved and varied.
    """

    patch: Size
    batch: int
    foreground: float
    spacing: tuple[float, float, float]
    augmentation: Augmentation


class Batches:
    """Draws the batches of a training.

    Args:
        examples: The cases.
        plan: How batches are drawn.
        membership: Which value belongs to which output, axes (output, value).
        device: Where batches are made and stay.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        plan: BatchPlan,
        membership: npt.NDArray[np.bool_],
        device: torch.device,
    ) -> None:
        self._examples = examples
        self._plan = plan
        self._device = device
        self._membership = torch.from_numpy(membership).to(device, torch.float32)
        self._plain = np.array_equal(membership, np.eye(len(membership)))

    def epoch(self, steps: int, *seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Draw the batches of one epoch.

        Args:
            steps: Number of batches.
            seed: Whole numbers, such as those of the training, the epoch and the process.

        Yields:
            Patches, axes (batch, channel, k, j, i), and how much of each voxel each output should
            have, axes (batch, output + 1, k, j, i), the last one how much of the voxel counts.
        """
        random = Random(self._device, *seed)
        waiting: list[int] = []
        for _ in range(steps):
            drawn = []
            for _ in range(self._plan.batch):
                # All cases have their turn before one comes again.
                waiting = waiting or random.numbers.permutation(len(self._examples)).tolist()
                drawn.append(self._patch(self._examples[waiting.pop()], random))
            images, shares = zip(*drawn, strict=True)
            yield torch.stack(images), torch.stack(shares)

    def _patch(self, example: Example, random: Random) -> tuple[torch.Tensor, torch.Tensor]:
        plan, how = self._plan, self._plan.augmentation
        centre = self._centre(example, random)
        found = places(how.spatial, centre, plan.patch, plan.spacing, random)
        box = _box(found, example.labels.shape)
        image = example.image[(slice(None), *box)].to(self._device, torch.float32)
        labels = example.labels[box].to(self._device).long()
        voxels = found.voxels - torch.tensor([p.start for p in box], device=self._device)
        patch = vary(sample(image, voxels), how.intensity, random)
        return patch, self._shares(labels, voxels)

    def _centre(self, example: Example, random: Random) -> npt.NDArray[np.float64]:
        """Draw the voxel about which a patch lies."""
        size = np.array(example.labels.shape, dtype=np.float64)
        middle, slack = (size - 1) / 2, np.maximum((size - self._plan.patch) / 2, _SLACK)
        if example.places and random.chance(self._plan.foreground):
            there = example.places[random.numbers.integers(len(example.places))]
            chosen = there[random.numbers.integers(len(there))].astype(np.float64)
            # Beside the case there is nothing to see.
            within: npt.NDArray[np.float64] = np.clip(chosen, middle - slack, middle + slack)
            return within
        return middle + random.numbers.uniform(-slack, slack)

    def _shares(self, labels: torch.Tensor, voxels: torch.Tensor) -> torch.Tensor:
        """Return how much of each voxel each output should have, and how much of it counts."""
        values = range(self._membership.shape[1])
        if len(self._membership) > _MOST_SHARED:
            # Zero is what lies outside the case, which is background.
            index = sample((labels[None] + 2).float(), voxels, nearest=True)[0] - 2
            marks = torch.stack([index == value for value in values]).float()
            marks[0] += index < IGNORED
            counted = (index != IGNORED)[None].float()
        else:
            marks = torch.stack([labels == value for value in (*values[1:], IGNORED)]).float()
            marks = sample(marks, voxels)
            counted = 1.0 - marks[-1:]
            marks = torch.cat([counted - marks[:-1].sum(0, keepdim=True), marks[:-1]])
        if not self._plain:
            marks = torch.einsum("ov,vkji->okji", self._membership, marks)
        return torch.cat([marks, counted])


def _box(found: Places, size: Sequence[int]) -> tuple[slice, slice, slice]:
    """Return the part of a case that a patch needs, at least one voxel of it."""
    k, j, i = (
        slice(int(np.clip(first - 1, 0, n - 1)), int(np.clip(last + 2, 1, n)))
        for first, last, n in zip(found.low, found.high, size, strict=True)
    )
    return k, j, i
