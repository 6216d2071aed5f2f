"""Where a network runs."""

from __future__ import annotations

from MedAssistLib.errors import ModelError, ResourceError


def device_of(name: str) -> str:
    """Return the torch device that is meant.

    Args:
        name: ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"`` for an NVIDIA card if there is one,
            else the processor.

    Raises:
        ModelError: If torch is not installed.
        ResourceError: If the device is not there.
    """
    try:
        import torch
    except ImportError as error:
        hint = "In Slicer install the PyTorch extension; elsewhere: pip install torch"
        raise ModelError("PyTorch is not installed", hint=hint) from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[name]:
        hint = "Use --device cpu, or install a PyTorch built for your graphics card"
        raise ResourceError(f"the device {name} is not available", hint=hint)
    return name
