"""Stopping PyTorch in the middle of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from MedAssistLib.models.plan import Network


@contextmanager
def stoppable(networks: Sequence[Network], check: Callable[[], None]) -> Iterator[None]:
    """Look before every layer of a network whether to stop: a tile can take many seconds.

    Args:
        networks: The networks; those that are not modules, and TorchScript, are left alone.
        check: Raises to stop.
    """

    def look(*_: object) -> None:
        check()

    modules = [network for network in networks if isinstance(network, torch.nn.Module)]
    leaves = [m for network in modules for m in network.modules() if not any(m.children())]
    plain = [leaf for leaf in leaves if not isinstance(leaf, torch.jit.ScriptModule)]
    hooks = [leaf.register_forward_pre_hook(look) for leaf in plain]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
