"""How wrong an answer is: soft Dice plus cross-entropy, at each resolution of the decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

_SMOOTH = 1e-5


def loss(
    scores: Sequence[torch.Tensor], shares: torch.Tensor, *, overlapping: bool
) -> torch.Tensor:
    """Return the mean loss over the resolutions, each counting half as much as the finer one.

    Args:
        scores: Of each resolution, the finest first, axes (batch, output, k, j, i).
        shares: How much of each voxel each output should have, in [0, 1], axes (batch, output + 1,
            k, j, i); the last one is how much of the voxel counts.
        overlapping: The outputs do not exclude each other.

    Returns:
        A scalar.
    """
    weights = [0.5**level for level in range(len(scores))]
    total = torch.zeros((), device=shares.device)
    for weight, answer in zip(weights, scores, strict=True):
        if answer.shape[2:] != shares.shape[2:]:
            k, j, i = answer.shape[2:]
            shares = functional.adaptive_avg_pool3d(shares, (k, j, i))
        total = total + weight * _at(answer.float(), shares, overlapping=overlapping)
    return total / sum(weights)


def _at(scores: torch.Tensor, shares: torch.Tensor, *, overlapping: bool) -> torch.Tensor:
    truth, counted = shares[:, :-1], shares[:, -1:]
    if overlapping:
        entropy = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
        probability, first = scores.sigmoid(), 0
        entropy = entropy.mean(1, keepdim=True)
    else:
        logarithm = scores.log_softmax(1)
        entropy = -(truth * logarithm).sum(1, keepdim=True)
        probability, first = logarithm.exp(), 1
    cross = (entropy * counted).sum() / counted.sum().clamp(min=1.0)
    axes = (0, 2, 3, 4)
    # The background's Dice says nothing; over the batch, because a patch may lack a structure.
    p, t = (probability * counted)[:, first:], (truth * counted)[:, first:]
    overlap = 2 * (p * t).sum(axes) + _SMOOTH
    dice = overlap / ((p + t).sum(axes) + _SMOOTH)
    return cross + 1.0 - dice.mean()
