"""How to read: the one dataclass that the command line, the worker and the panel fill."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from MedAssistLib.errors import UsageError

_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")


def is_modality(text: str) -> bool:
    """Tell whether a text can be a DICOM modality (a code string, PS3.5 section 6.2)."""
    return _CODE_STRING.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read.

    Attributes:
        series: Which of several scans: its number in the list, or the UID of its DICOM series.
        modality: DICOM modality, such as ``"MR"``; what the file says otherwise is overruled, and
            told.
        strict: Refuse what would have to be repaired: tilted, uneven or missing slices, a place in
            space that is doubtful.
        spacing: Distance of the voxels along i, j, k in mm, for files that do not say, such as
            NumPy arrays (their last, middle and first axis).

    Raises:
        UsageError: If the modality or the spacing is none.
    """

    series: str = ""
    modality: str = ""
    strict: bool = False
    spacing: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.modality and not is_modality(self.modality):
            what = f"{self.modality!r} is not a DICOM modality"
            raise UsageError(what, where="--modality", hint="Give one such as CT, MR or PT")
        given = self.spacing
        if given is not None and not all(math.isfinite(v) and v > 0.0 for v in given):
            shown = ",".join(f"{value:g}" for value in given)
            hint = "Give millimetres along i, j and k, such as 0.8,0.8,1.5"
            raise UsageError(f"{shown} is not a voxel spacing", where="--spacing", hint=hint)
