"""Private attributes without which a scan means less: numbers that the standard calls safe.

They are those that reading needs, all in PS3.15 Table E.3.10-1: b-values, gradient directions and
factors of PET. Whatever is not a number of a likely size is not safe.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from MedAssistLib.export.deidentify.values import several
from MedAssistLib.read.dicom.headers import PARSE_ERRORS
from MedAssistLib.read.dicom.scanning import FIRST_BLOCK, LAST_BLOCK, PRIVATE

_BINARY = {"FD": "d", "FL": "f"}
_MOST_NUMBERS = 6
_LARGEST = 2e9  # b-values of GE have 1e9 added; letters read as a number are larger or broken.


def safe_private_tags(data: Dataset) -> frozenset[BaseTag]:
    """Return the tags of safe private attributes of a dataset, with those of their owners."""
    safe: set[BaseTag] = set()
    for (group, creator, number), (_, vr) in PRIVATE.items():
        for block in range(FIRST_BLOCK, LAST_BLOCK + 1):
            owner, tag = Tag(group, block), Tag(group, block << 8 | number)
            if owner in data and tag in data and _is_safe(data, owner, creator, tag, vr):
                safe |= {owner, tag}
    return frozenset(safe)


def _is_safe(data: Dataset, owner: BaseTag, creator: str, tag: BaseTag, vr: str) -> bool:
    try:
        numbers = _numbers(data[tag].value, vr) if data[owner].value == creator else []
    except PARSE_ERRORS:
        return False
    likely = all(math.isfinite(number) and abs(number) <= _LARGEST for number in numbers)
    return likely and 0 < len(numbers) <= _MOST_NUMBERS


def _numbers(value: Any, vr: str) -> list[float]:
    """Return an attribute's numbers; raises what parsing raises if it holds anything else."""
    if isinstance(value, bytes) and vr in _BINARY:
        size = struct.calcsize(_BINARY[vr])
        return list(struct.unpack(f"<{len(value) // size}{_BINARY[vr]}", value))
    if isinstance(value, bytes):
        value = value.decode("ascii").strip("\0 ").split("\\")
    return [float(part) for part in several(value)]
