"""Random numbers of one epoch: single ones on the processor, fields of them on the device.

A graphics card that is asked for a single number must finish all it does before it can answer.
"""

from __future__ import annotations

import numpy as np
import torch


class Random:
    """Random numbers that can be drawn again.

    Args:
        device: Where fields of numbers are drawn.
        seed: Whole numbers, such as those of the training, the epoch and the process.
    """

    def __init__(self, device: torch.device, *seed: int) -> None:
        self.numbers = np.random.default_rng(seed)
        self._fields = torch.Generator(device)
        self._fields.manual_seed(int(self.numbers.integers(2**62)))

    def chance(self, share: float) -> bool:
        """Say yes so often."""
        return bool(self.numbers.random() < share)

    def between(self, low: float, high: float) -> float:
        """Return a number between two."""
        return float(self.numbers.uniform(low, high))

    def normal(self, *size: int) -> torch.Tensor:
        """Return a field of normally distributed numbers, on the device."""
        return torch.randn(*size, generator=self._fields, device=self._fields.device)
