"""Half precision where a device has it, and what that takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch


class Precision:
    """The numbers that a network is trained with.

    bfloat16 on graphics cards and processors that compute with it, float16 with scaled gradients on
    older graphics cards (Micikevicius et al. 2018, arXiv:1710.03740), float32 elsewhere.

    Args:
        device: Where the network is trained.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kind = _kind(device)
        scaled = self._kind is torch.float16
        self._scaler = torch.amp.GradScaler(device.type, enabled=scaled)

    def reduced(self) -> AbstractContextManager[None]:
        """Compute with these numbers within."""
        context: AbstractContextManager[None] = torch.autocast(
            self._device.type, self._kind, enabled=self._kind is not torch.float32
        )
        return context

    def scaled(self, loss: torch.Tensor) -> torch.Tensor:
        """Return a loss whose gradients do not vanish."""
        scaled: torch.Tensor = self._scaler.scale(loss)
        return scaled

    def unscale(self, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """Bring the gradients back to their true length."""
        for optimiser in optimisers:
            self._scaler.unscale_(optimiser)

    def step(self, optimisers: Sequence[torch.optim.Optimizer], *, good: bool) -> None:
        """Go a step, unless the gradients are no numbers."""
        for optimiser in optimisers:
            if self._scaler.is_enabled() or good:
                self._scaler.step(optimiser)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """Return what a training needs to go on."""
        state: dict[str, Any] = self._scaler.state_dict()
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Go on with the state of an earlier run."""
        if state:
            self._scaler.load_state_dict(state)


def _kind(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and _computes_in_bfloat16():
        return torch.bfloat16
    return torch.float32


def _computes_in_bfloat16() -> bool:
    """Tell whether the processor has instructions for it; emulation would be slower."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in probes)
