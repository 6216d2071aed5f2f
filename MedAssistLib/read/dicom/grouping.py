"""Which frames may make a volume, before their places are looked at."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from MedAssistLib.read.dicom.frames import Frame
from MedAssistLib.read.dicom.headers import Header

_TURNED = 5e-4
_WEIGHTS = np.array([[1.0, 0.7, 0.4], [0.9, 0.6, 0.3]])
_TURN_CELL = _TURNED * float(_WEIGHTS.sum())
_SPACING_TOLERANCE = 1e-4


def grouped(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Group frames that may make a volume: of one series, size, orientation and pixel spacing."""
    made: list[list[Frame]] = []
    # Groups by series and by a measure of their direction, because there may be thousands.
    near: dict[tuple[Hashable, int], list[int]] = defaultdict(list)
    for frame in frames:
        key, cell = _group_key(frame), int(np.floor(_turn(frame) / _TURN_CELL))
        candidates = sorted(n for c in (cell - 1, cell, cell + 1) for n in near.get((key, c), ()))
        fits = next((n for n in candidates if _in_line(made[n][0], frame)), None)
        if fits is None:
            near[key, cell].append(len(made))
            made.append([frame])
        else:
            made[fits].append(frame)
    return made


def _turn(frame: Frame) -> float:
    """Return a number that is nearly the same for frames that are turned nearly alike."""
    return float(frame.row @ _WEIGHTS[0] + frame.column @ _WEIGHTS[1])


def _group_key(frame: Frame) -> Hashable:
    header = frame.header
    words = ("Modality", "SeriesNumber", "FrameOfReferenceUID", "SamplesPerPixel", "SOPClassUID")
    known = (header.text(word) for word in words)
    return series_of(header), *known, frame.size, frame.traits.stack


def series_of(header: Header) -> Hashable:
    """Return what tells a series from others, even where numbers were given twice."""
    person = "\\".join(header.text(word) for word in ("PatientID", "IssuerOfPatientID"))
    # The patient is compared, never kept: only a hash leaves this function.
    # What is not ASCII depends on how the file was decoded, and would part one series.
    mark = hashlib.blake2b(person.encode("ascii", "ignore"), digest_size=16).digest()
    uid = header.text("SeriesInstanceUID")
    # Without a series UID the folder has to say what belongs together.
    return mark, header.text("StudyInstanceUID"), uid, "" if uid else str(header.path.parent)


def _in_line(first: Frame, other: Frame) -> bool:
    turned = max(np.abs(first.row - other.row).max(), np.abs(first.column - other.column).max())
    near = all(
        abs(a - b) <= _SPACING_TOLERANCE * b
        for a, b in zip(first.spacing, other.spacing, strict=True)
    )
    return bool(turned <= _TURNED and near)
