"""How a patch-wise model is run."""

from __future__ import annotations

from dataclasses import dataclass

from MedAssistLib.errors import UsageError
from MedAssistLib.segment.options import BACKENDS


@dataclass(frozen=True, kw_only=True)
class TiledOptions:
    """How a patch-wise model is run.

    Attributes:
        device: Torch device of the network, such as ``"cpu"`` or ``"cuda"``.
        step: Distance of two tiles as a share of the patch, in (0, 1]; ``None`` for what the
            model's authors chose.
        mirror: Average the answers of mirrored tiles, along the axes that the model allows.
        reduced: Reduced precision in the network: float16 on an NVIDIA card, bfloat16 elsewhere;
            ``None`` for what nnU-Net does, reduced on an NVIDIA card and full elsewhere.
        batch: Most tiles to run at once; ``None`` to choose by their size.
        max_memory: Most bytes that the run may take on any one device; ``None`` for no limit.
        probabilities: Also return the probability of every output in every voxel, which takes
            four bytes an output and voxel.
        backend: ``"auto"`` for OpenVINO on a processor, if it is installed and gives the answer
            of PyTorch; ``"torch"`` for PyTorch in any case.

    Raises:
        UsageError: If an option is out of its range.
    """

    device: str = "cpu"
    step: float | None = None
    mirror: bool = False
    reduced: bool | None = None
    batch: int | None = None
    max_memory: int | None = None
    probabilities: bool = False
    backend: str = "auto"

    def __post_init__(self) -> None:
        if self.step is not None and not 0.0 < self.step <= 1.0:
            hint = "Give a share of the patch above 0 and up to 1, such as 0.5"
            raise UsageError(f"the step is {self.step}", hint=hint)
        if self.batch is not None and self.batch < 1:
            raise UsageError(f"the tile batch is {self.batch}", hint="Give a whole number above 0")
        if self.backend not in BACKENDS:
            hint = f"Choose one of {', '.join(BACKENDS)}"
            raise UsageError(f'there is no backend "{self.backend}"', hint=hint)
