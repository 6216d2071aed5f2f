"""The modality that the channels of a data set or a model are named for."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAMES = {
    "CT": {"ct", "cbct", "ncct", "ctce", "cta"},
    "MR": {"mr", "mri", "mra", "t1", "t1w", "t1c", "t1ce", "t1gd", "t1n", "t2", "t2w", "t2f", "t2s"}
    | {"flair", "dwi", "adc", "pd", "pdw", "swi"},
    "PT": {"pt", "pet", "suv"},
    "US": {"us", "ultrasound"},
}


def modality_of(channels: Iterable[str]) -> str:
    """Return the DICOM modality that all channels are named for; empty if they do not tell."""
    found = {_modality(channel) for channel in channels}
    return found.pop() if len(found) == 1 else ""


def _modality(channel: str) -> str:
    words = set(re.split(r"[\W_]+", channel.lower()))
    return next((modality for modality, names in _NAMES.items() if words & names), "")
