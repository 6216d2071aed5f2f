"""Frames: single 2-D images in space, from classic files and enhanced multi-frame files alike.

Positions and orientations as in PS3.3 C.7.6.2.1.1, LPS mm. Nothing is guessed: a frame without its
own position, orientation and pixel spacing is no frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Finding
from MedAssistLib.read.dicom.headers import Header

Vector = npt.NDArray[np.float64]

_UNIT_TOLERANCE = 0.01
_LARGEST_SIDE = 1 << 16
_FARTHEST_MM = 1e5


class NoPlaceError(Exception):
    """A file's image has no place in the patient, as a photograph or a screenshot has none."""


class DamagedError(Exception):
    """A file's image has attributes that cannot be right; the message says which."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What tells frames at one place apart.

    Attributes:
        kind: Image Type or Frame Type, with the complex component (PS3.3 C.7.6.1.1.2).
        echo_ms: Echo time.
        inversion_ms: Inversion time.
        b_value: Diffusion b-value in s/mm².
        direction: Diffusion gradient direction.
        flip: Flip angle in degrees.
        kernel: Convolution kernel.
        kilovolts: Voltage of the X-ray tube.
        stack: Stack ID of an enhanced file.
        temporal: Temporal position.
        trigger_ms: Time after the R wave.
        acquisition: Acquisition number.
        moment: When it was taken, as DICOM writes it (date and time sort as text).
        instance: Instance number and frame number.
    """

    kind: tuple[str, ...] = ()
    echo_ms: float | None = None
    inversion_ms: float | None = None
    b_value: float | None = None
    direction: tuple[float, ...] | None = None
    flip: float | None = None
    kernel: tuple[str, ...] = ()
    kilovolts: float | None = None
    stack: str = ""
    temporal: float | None = None
    trigger_ms: float | None = None
    acquisition: float | None = None
    moment: str = ""
    instance: tuple[float, int] = (0.0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One 2-D image in space.

    Attributes:
        header: Its file.
        index: Its number within the file, from 0.
        position: LPS mm of the centre of its first pixel.
        row: Unit vector along which the column index i grows.
        column: Unit vector along which the row index j grows.
        spacing: mm between pixels along i and j.
        size: Pixels along i and j.
        rescale: Slope and intercept from stored values to values (PS3.3 C.11.1).
        traits: What tells it from others at its place.
    """

    header: Header
    index: int
    position: Vector
    row: Vector
    column: Vector
    spacing: tuple[float, float]
    size: tuple[int, int]
    rescale: tuple[float, float]
    traits: Traits

    @property
    def normal(self) -> Vector:
        """Unit vector along which the slices are ordered."""
        return np.cross(self.row, self.column)


@dataclass(frozen=True)
class Meaning:
    """What the values of slices mean.

    Attributes:
        frames: The slices; their rescale leads to ``unit``.
        unit: Unit, UCUM-like, where the files say it: ``"g/ml"`` for SUV; else empty.
        findings: What is doubtful, and what was done.
    """

    frames: tuple[Frame, ...]
    unit: str
    findings: tuple[Finding, ...]


def moment(frame: Frame) -> tuple[Any, ...]:
    """Return what orders frames in time; what the file does not say sorts first."""
    traits = frame.traits
    numbers = (traits.temporal, traits.acquisition, traits.trigger_ms)
    known = tuple(-1.0 if number is None else number for number in numbers)
    return (*known, traits.moment, traits.instance, str(frame.header.path))


ORDERED_BY = (
    *("temporal position", "acquisition number", "trigger time", "acquisition time"),
    *("instance number", "file name"),
)
"""What the parts of :func:`moment` are, in words."""


class Place(NamedTuple):
    """A frame's attributes as the file gives them: mm between rows comes first in spacing."""

    position: Vector
    orientation: Vector
    spacing: Vector
    slope: float
    intercept: float

    @classmethod
    def of(cls, position: Any, orientation: Any, spacing: Any, slope: Any, intercept: Any) -> Place:
        """Return attributes as numbers.

        Raises:
            NoPlaceError: If the image has no place in the patient.
            DamagedError: If an attribute cannot be right.
        """
        if not (position and orientation):
            raise NoPlaceError
        return cls(
            _numbers(position, 3, "position"),
            _numbers(orientation, 6, "orientation"),
            _numbers(spacing, 2, "pixel spacing"),
            _given(slope, 1.0),
            _given(intercept, 0.0),
        )


def make_frame(header: Header, index: int, place: Place, traits: Traits) -> Frame:
    """Return a frame after checking that its attributes are possible.

    Raises:
        DamagedError: If one is not.
    """
    row, column = _axes(place.orientation)
    between_rows, between_columns = (float(value) for value in place.spacing)
    if min(between_rows, between_columns) <= 0.0:
        shown = f"{between_columns:g} × {between_rows:g} mm"
        raise DamagedError(f"has an impossible pixel spacing ({shown})")
    columns, rows = header.number("Columns") or 0.0, header.number("Rows") or 0.0
    if not (0 < columns < _LARGEST_SIDE and 0 < rows < _LARGEST_SIDE):
        raise DamagedError(f"has an impossible size ({columns:g} × {rows:g} pixels)")
    if not (math.isfinite(place.slope) and math.isfinite(place.intercept) and place.slope):
        raise DamagedError(f"has an impossible rescale slope ({place.slope:g})")
    if np.abs(place.position).max() > _FARTHEST_MM:
        raise DamagedError(f"has an impossible position ({np.abs(place.position).max():g} mm)")
    return Frame(
        header=header,
        index=index,
        position=place.position,
        row=row,
        column=column,
        spacing=(between_columns, between_rows),
        size=(int(columns), int(rows)),
        rescale=(place.slope, place.intercept),
        traits=traits,
    )


def _axes(orientation: Vector) -> tuple[Vector, Vector]:
    """Return two perpendicular unit vectors, evening out what the file rounded."""
    row, column = orientation[:3], orientation[3:]
    # Without NumPy's products: they let go of the interpreter, which the reading threads then hold.
    lengths = math.hypot(*row), math.hypot(*column)
    slant = float((row * column).sum())
    if max(abs(lengths[0] - 1.0), abs(lengths[1] - 1.0), abs(slant)) > _UNIT_TOLERANCE:
        raise DamagedError("has an orientation that is not two perpendicular directions")
    row = row / lengths[0]
    column = column - (column * row).sum() * row
    return row, column / math.hypot(*column)


def _numbers(value: Any, count: int, what: str) -> Vector:
    """Return an attribute's ``count`` numbers.

    Raises:
        DamagedError: If it has others; the message names ``what``.
    """
    found = np.array([float(v) for v in value or ()], dtype=np.float64)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise DamagedError(f"has no usable {what}")
    return found


def _given(value: Any, otherwise: float) -> float:
    """Return an attribute's number, or ``otherwise`` if it is absent or empty."""
    return otherwise if value is None or value == "" else float(value)
