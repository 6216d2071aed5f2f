"""How a model is run."""

from __future__ import annotations

from dataclasses import dataclass

from MedAssistLib.case import Point
from MedAssistLib.errors import UsageError
from MedAssistLib.geometry import is_orientation

DEVICES = ("auto", "cpu", "cuda", "mps")
BACKENDS = ("auto", "torch")


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """How a model is run.

    Attributes:
        device: Where: ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"`` for an NVIDIA card if there
            is one, else the processor.
        region: Two corners, LPS mm, of the box that is segmented; ``None`` for the whole scan.
        classes: Names of the structures that are wanted; empty for all.
        folds: Which members of an ensemble are averaged, such as ``("0", "1")``; empty for all.
        orientation: For patch-wise models that do not say it: where the axes i, j, k of their
            training data pointed to, such as ``"RAS"``; empty to take the scan as it is stored.
        step: For patch-wise models: distance of two patches as a share of the patch, in (0, 1];
            ``None`` for what the model's authors chose.
        mirror: For patch-wise models: average the answers of mirrored patches: slower, steadier.
        reduced: For patch-wise models: reduced precision; ``None`` for only on a graphics card.
        max_memory: For patch-wise models: most bytes on any device; ``None`` for no limit.
        backend: For patch-wise models: ``"auto"`` for the quickest program there is, or
            ``"torch"``.
        probabilities: For patch-wise models: also give the probability of every structure.

    Raises:
        UsageError: If an option is out of its range.
    """

    device: str = "auto"
    region: tuple[Point, Point] | None = None
    classes: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    orientation: str = ""
    step: float | None = None
    mirror: bool = False
    reduced: bool | None = None
    max_memory: int | None = None
    backend: str = "auto"
    probabilities: bool = False

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            hint = f"Choose one of {', '.join(DEVICES)}"
            raise UsageError(f'there is no device "{self.device}"', hint=hint)
        if self.backend not in BACKENDS:
            hint = f"Choose one of {', '.join(BACKENDS)}"
            raise UsageError(f'there is no backend "{self.backend}"', hint=hint)
        if self.orientation and not is_orientation(self.orientation):
            hint = "Give one letter of each pair R/L, A/P, S/I, such as RAS or LPS"
            raise UsageError(f'there is no orientation "{self.orientation}"', hint=hint)
        if self.step is not None and not 0.0 < self.step <= 1.0:
            hint = "Give a share of the patch above 0 and up to 1, such as 0.5"
            raise UsageError(f"the step is {self.step:g}", hint=hint)
        if self.max_memory is not None and self.max_memory <= 0:
            raise UsageError("the memory limit is not above zero", hint="Give gigabytes, such as 8")
