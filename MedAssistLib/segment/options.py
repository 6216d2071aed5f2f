"""How a model is run."""

from __future__ import annotations

from dataclasses import dataclass

from MedAssistLib.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """How a model is run.

    Attributes:
        device: Where: ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"`` for an NVIDIA card if there
            is one, else the processor.

    Raises:
        UsageError: If there is no such kind of device.
    """

    device: str = "auto"

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            hint = f"Choose one of {', '.join(DEVICES)}"
            raise UsageError(f'there is no device "{self.device}"', hint=hint)
