"""Loading one volume: its values into one image, without a second copy of them."""

from __future__ import annotations

import ctypes
import math
import warnings
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom.doubts import UNCERTAIN_RULES
from MedAssistLib.read.dicom.filling import Filling, TooWideError
from MedAssistLib.read.dicom.found import Volume
from MedAssistLib.read.dicom.frames import Frame
from MedAssistLib.read.dicom.pixels import Encoding, encoding_of
from MedAssistLib.read.dicom.regularise import Padding, regularise

_KEPT_ATTRIBUTES = (
    "BodyPartExamined",
    "ConvolutionKernel",
    "EchoTime",
    "FrameOfReferenceUID",
    "MagneticFieldStrength",
    "Manufacturer",
    "RepetitionTime",
    "SeriesNumber",
)
_PIXELS = {
    np.dtype(np.uint8): sitk.sitkUInt8,
    np.dtype(np.int8): sitk.sitkInt8,
    np.dtype(np.uint16): sitk.sitkUInt16,
    np.dtype(np.int16): sitk.sitkInt16,
    np.dtype(np.uint32): sitk.sitkUInt32,
    np.dtype(np.int32): sitk.sitkInt32,
    np.dtype(np.float32): sitk.sitkFloat32,
    np.dtype(np.float64): sitk.sitkFloat64,
}
_READING_SHARE = 0.7
_MOST_GROWTH = 20


def load_volume(volume: Volume, progress: Progress, *, strict: bool = False) -> Scan:
    """Load a volume.

    Args:
        volume: One that was found.
        progress: Told how far it is.
        strict: Refuse a volume whose slices are not a regular block, instead of resampling it, or
            of which it is open which images belong to it.

    Returns:
        The scan, with whatever was odd as findings. Values are integers where that is exact.

    Raises:
        InputError: If a file is damaged or cannot be decoded, or for ``strict``.
        ResourceError: If it does not fit into memory.
        CancelledError: If the user asked to stop.
    """
    regular = volume.grid.regular
    titles = " ".join(finding.title for finding in volume.findings).rstrip(".")
    if strict and not regular:
        what = f"is not a regular block of slices. {titles}"
        hint = "Read it without --strict to have it resampled"
        raise InputError(what, where=_source(volume), hint=hint)
    doubts = [found.title for found in volume.findings if found.rule in UNCERTAIN_RULES]
    if strict and doubts:
        what = f"is doubtful: {' '.join(doubts).rstrip('.')}"
        raise InputError(what, where=_source(volume), hint="Read it without --strict")
    stored = math.prod(volume.frames[0].size) * volume.slices
    if math.prod(volume.grid.size) > _MOST_GROWTH * stored:
        what = f"has slices too far apart for one volume ({titles})"
        raise InputError(what, where=_source(volume), hint="Check its image positions")
    share = 1.0 if regular else _READING_SHARE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Odd values were judged when the volume was found.
        image = _stacked(volume, progress.part("Reading slices", 0.0, share))
    if not regular:
        image = _regular(image, volume, progress.part("Resampling slices", share, 1.0))
    image.SetSpacing(volume.grid.spacing)
    image.SetOrigin(volume.grid.origin)
    image.SetDirection([float(value) for value in volume.grid.direction.ravel()])
    header = volume.frames[0].header
    attributes = {name: header.text(name) for name in _KEPT_ATTRIBUTES if header.text(name)}
    if volume.unit:
        attributes["Unit"] = volume.unit
    words = (volume.modality, volume.description, volume.split)
    return Scan(
        image=image,
        modality=volume.modality,
        name=" ".join(word for word in words if word) or "scan",
        source=_source(volume),
        series_uid=volume.series_uid,
        attributes=MappingProxyType(attributes),
        findings=volume.findings,
    )


def _source(volume: Volume) -> Path:
    """Return the file of a volume, or the folder of its files."""
    return volume.paths[0] if len(volume.paths) == 1 else volume.paths[0].parent


def _regular(image: sitk.Image, volume: Volume, progress: Progress) -> sitk.Image:
    slices = _writable(image)
    regular = _allocated(volume, volume.grid.size, slices.dtype)
    paddings = [_padding(frame) for frame in volume.frames]
    regularise(slices, volume.grid, _writable(regular), progress, paddings)
    return regular


def _padding(frame: Frame) -> Padding | None:
    """Return the values that stand for no measurement in a frame (PS3.3 C.7.5.1.1.2)."""
    header, encoding = frame.header, encoding_of(frame.header)
    value = header.number("PixelPaddingValue")
    if value is None or encoding.colour or encoding.table or encoding.dtype.kind == "f":
        return None
    limit = header.number("PixelPaddingRangeLimit")
    slope, intercept = frame.rescale
    stored = [_signed(end, encoding) for end in (value, value if limit is None else limit)]
    if encoding.inverted:
        stored = [sum(encoding.limits) - end for end in stored]
    low, high = sorted(slope * end + intercept for end in stored)
    return low, high


def _signed(value: float, encoding: Encoding) -> int:
    """Return a padding value with the pixels' sign, whichever sign it was read with."""
    bits = int(value) & 0xFFFF
    return bits - (1 << 16) if encoding.dtype.kind == "i" and bits >= 1 << 15 else bits


def _stacked(volume: Volume, progress: Progress) -> sitk.Image:
    """Return the slices one after another, their place in space not yet set."""
    encodings = {frame.header: encoding_of(frame.header) for frame in volume.frames}
    size = (*volume.frames[0].size, len(volume.frames))
    types = _value_types(volume, list(encodings.values()))
    for dtype in types[:-1]:
        image = _allocated(volume, size, dtype)
        try:
            Filling(volume.frames, encodings, _writable(image)).run(progress)
        except TooWideError:
            continue
        return image
    image = _allocated(volume, size, types[-1])
    Filling(volume.frames, encodings, _writable(image)).run(progress)
    return image


def _value_types(volume: Volume, encodings: list[Encoding]) -> list[np.dtype[Any]]:
    """Return the types to try for the values; the last holds every value that there can be."""
    stored = {encoding.dtype for encoding in encodings}
    rescales = {frame.rescale for frame in volume.frames}
    largest = max(stored, key=lambda dtype: (dtype.kind == "f", dtype.itemsize))
    if largest.kind == "f" or (rescales == {(1.0, 0.0)} and len(stored) == 1):
        return [largest]
    if not all(value.is_integer() for rescale in rescales for value in rescale):
        return [np.dtype(np.float32)]
    limits = {limit for encoding in encodings for limit in encoding.limits}
    ends = [slope * limit + start for slope, start in rescales for limit in limits]
    if _holds(np.int16, ends):
        return [np.dtype(np.int16)]
    last = np.dtype(np.int32) if _holds(np.int32, ends) else np.dtype(np.float64)
    # Of CT stored in 16 bits, the values that occur nearly always fit into 16 bits.
    return [np.dtype(np.int16), last] if largest.itemsize == 2 else [last]


def _holds(kind: type[np.signedinteger[Any]], ends: list[float]) -> bool:
    return bool(np.iinfo(kind).min <= min(ends) and max(ends) <= np.iinfo(kind).max)


def _allocated(volume: Volume, size: tuple[int, int, int], dtype: np.dtype[Any]) -> sitk.Image:
    try:
        return sitk.Image(list(size), _PIXELS[dtype])
    except (RuntimeError, MemoryError) as error:
        what = f"does not fit into memory ({'×'.join(str(n) for n in size)} voxels)"
        raise ResourceError(what, where=_source(volume), hint="Close other programs") from error


def _writable(image: sitk.Image) -> npt.NDArray[Any]:
    """Return an image's values, axes (k, j, i), as an array that writes into the image.

    SimpleITK's own view is read-only, and making an image from an array copies it. The array is
    valid as long as the image lives and nobody else holds it.
    """
    view = sitk.GetArrayViewFromImage(image)
    memory = memoryview((ctypes.c_char * view.nbytes).from_address(view.ctypes.data))
    values: npt.NDArray[Any] = np.frombuffer(memory, dtype=view.dtype)
    return values.reshape(view.shape)
