"""The programs that run a network: PyTorch, or OpenVINO, which is faster on processors.

OpenVINO is an optional extra (``pip install medassist[fast]``). Where it is missing, or cannot run
a network, or gives another answer, PyTorch runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from MedAssistLib.models.plan import Network
from MedAssistLib.segment.backends import openvino
from MedAssistLib.segment.backends.contract import Runner, UnfitError, Wanted
from MedAssistLib.segment.backends.stopping import stoppable

__all__ = ["Runner", "Wanted", "prepare", "stoppable"]


def prepare(
    network: Network, wanted: Wanted, backend: str = "auto", check: Callable[[], None] | None = None
) -> Runner:
    """Return the quickest way to run a network that gives its answer.

    The first time that it sees a network, OpenVINO takes as long as for one patch in PyTorch.

    Args:
        network: The network, on its device, not in training.
        wanted: How it shall be run.
        backend: ``"torch"`` for PyTorch whatever else there is.
        check: Called several times a second here and in a run; it may raise to stop.
    """
    if backend == "torch" or wanted.device != "cpu":
        return _torch(network, wanted)
    try:
        return openvino.prepare(network, wanted, check or _go_on)
    except UnfitError as reason:
        runner = _torch(network, wanted)
        return replace(runner, name=f"{runner.name} ({reason})")


def _torch(network: Network, wanted: Wanted) -> Runner:
    name = f"PyTorch {torch.__version__.partition('+')[0]}"
    _channels_last(network, wanted)
    if not wanted.reduced:
        return Runner(network=network, name=name)
    kind = wanted.device.partition(":")[0]
    dtype = torch.float16 if kind == "cuda" else torch.bfloat16

    def run(patches: torch.Tensor) -> torch.Tensor:
        with torch.autocast(kind, dtype):
            return network(patches)

    return Runner(network=run, name=f"{name} in {str(dtype).removeprefix('torch.')}")


def _channels_last(network: Network, wanted: Wanted) -> None:
    """Lay the weights out as PyTorch's convolutions on a processor like them; no value changes."""
    if isinstance(network, torch.jit.ScriptModule) or not isinstance(network, torch.nn.Module):
        return
    if wanted.device == "cpu":
        flat = len(wanted.patch) == 2
        layout = torch.channels_last if flat else torch.channels_last_3d
        network.to(memory_format=layout)  # type: ignore[call-overload]


def _go_on() -> None:
    """Never stop."""
