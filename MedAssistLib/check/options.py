"""What a check may know besides the scan and the segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.check.thresholds import NOT_CALIBRATED, Calibration, calibration_of
from MedAssistLib.errors import UsageError
from MedAssistLib.models.card import ModelCard

SEXES = ("F", "M")
_OLDEST = 130.0


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """What a check may know, and how it is run.

    Attributes:
        card: Card of the model that made the segmentation, or that it is compared with.
        calibration: Thresholds to use instead of the card's and the rules' own.
        age: Age of the person in years; ``None`` if not known.
        sex: ``"F"`` or ``"M"``; empty if not known.
        reference_ranges: File of reference ranges to use besides those that come with MedAssist.

    Raises:
        UsageError: If an option is out of its range.
    """

    card: ModelCard | None = None
    calibration: Calibration | None = None
    age: float | None = None
    sex: str = ""
    reference_ranges: Path | None = None

    @property
    def thresholds(self) -> Calibration:
        """The thresholds that hold: those that were given, else the card's, else the rules'.

        Raises:
            ModelError: If the card's are not valid.
        """
        if self.calibration is not None:
            return self.calibration
        fields = self.card.measured.get("calibration") if self.card else None
        return calibration_of(fields) if fields else NOT_CALIBRATED

    def __post_init__(self) -> None:
        if self.age is not None and not 0.0 <= self.age <= _OLDEST:
            hint = f"Give years from 0 to {_OLDEST:g}"
            raise UsageError(f"the age is {self.age:g}", hint=hint)
        if self.sex and self.sex not in SEXES:
            raise UsageError(f'the sex is "{self.sex}"', hint=f"Give {' or '.join(SEXES)}")
