"""Several processes that train one network, each with its own share of every batch.

They are started by ``torchrun``; a process alone is the usual case.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta

import torch
from torch import distributed, nn

from MedAssistLib.errors import UsageError

# The others wait while the first prepares and examines cases; torchrun ends them if it fails.
_PATIENCE = timedelta(days=2)


class Together:
    """The processes that train one network.

    Args:
        device: Where this process computes; it chooses how they talk to each other.

    Raises:
        UsageError: If there shall be others, but they cannot be reached.
    """

    def __init__(self, device: torch.device) -> None:
        self.number = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self._device = device
        if self.number == 1:
            return
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        if not distributed.is_initialized():
            kind = "nccl" if device.type == "cuda" else "gloo"
            try:
                distributed.init_process_group(kind, timeout=_PATIENCE)
            except (ValueError, RuntimeError) as error:
                what = f"WORLD_SIZE is {self.number}, but there are no others ({error})"
                hint = "Start all processes with torchrun, or unset WORLD_SIZE"
                raise UsageError(what, hint=hint) from error

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def average(self, weights: Sequence[nn.Parameter]) -> None:
        """Give the gradients of all processes' mean to each."""
        if self.number == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.number
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean(self, value: float) -> float:
        """Return the mean of a number over all processes."""
        return self._reduced(value) / self.number if self.number > 1 else value

    def agreed(self, value: float) -> float:
        """Return the first process's number, so that all decide alike."""
        return self._reduced(value if self.first else 0.0) if self.number > 1 else value

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.number > 1:
            distributed.barrier()

    def end(self) -> None:
        """Let go of the others."""
        if self.number > 1:
            distributed.destroy_process_group()

    def _reduced(self, value: float) -> float:
        told = torch.tensor(value, dtype=torch.float64, device=self._device)
        distributed.all_reduce(told)
        return float(told)
