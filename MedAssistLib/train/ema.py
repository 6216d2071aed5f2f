"""A running mean of the weights: steadier than the last ones, and better."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MeanWeights:
    """An exponential moving mean of a network's weights.

    Args:
        network: The network that is trained.
        decay: How much of the mean stays at each step, once it has settled.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step.

        Args:
            network: The network.
            step: How many steps there were before; none, if it began with random weights.
        """
        # In the beginning the mean would otherwise be that of the random weights.
        keep = min(self.decay, (1 + step) / (10 + step))
        mean: list[torch.Tensor] = list(self.network.parameters())
        now: list[torch.Tensor] = list(network.parameters())
        torch._foreach_lerp_(mean, now, 1.0 - keep)
        for kept, given in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(given)
