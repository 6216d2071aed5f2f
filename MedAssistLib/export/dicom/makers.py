"""Who made a segmentation, as DICOM says it (PS3.3 C.8.20.2, Segment Algorithm Type)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from MedAssistLib.case import EDITED

NOT_KNOWN = "not known"

_BY_HAND = "by hand"
_MODEL = re.compile(r"model (?P<name>.+?)(?: \((?P<version>.+)\))?")


@dataclass(frozen=True)
class Maker:
    """Who made it.

    Attributes:
        kind: ``AUTOMATIC`` for a model alone, ``MANUAL`` for a person alone, ``SEMIAUTOMATIC`` for
            both and where nobody knows, so that neither is claimed to have worked alone.
        model: Name of the model; empty where there was none or nobody knows.
        version: Its version.
    """

    kind: Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
    model: str = ""
    version: str = ""


def maker_of(made_by: str) -> Maker:
    """Return who made a segmentation by its ``made_by``.

    Args:
        made_by: Such as ``"model brain (deepbet 1.0.2)"``, the same with ``", edited or reviewed by
            hand"``, ``"by hand"``, or ``"file brain"``, which does not tell.
    """
    if made_by == _BY_HAND:
        return Maker("MANUAL")
    model = _MODEL.fullmatch(made_by.removesuffix(EDITED))
    if model is None:
        return Maker("SEMIAUTOMATIC")
    kind: Literal["AUTOMATIC", "SEMIAUTOMATIC"]
    kind = "SEMIAUTOMATIC" if made_by.endswith(EDITED) else "AUTOMATIC"
    return Maker(kind, model["name"], model["version"] or NOT_KNOWN)
