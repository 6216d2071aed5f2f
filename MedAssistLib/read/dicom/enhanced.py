"""The frames of an enhanced multi-frame file, from its functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydicom.dataset import Dataset

from MedAssistLib.read.dicom.frames import DamagedError, Frame, Place, Traits, make_frame
from MedAssistLib.read.dicom.headers import Header


def enhanced_frames(header: Header) -> Iterator[Frame]:
    """Yield the frames of a multi-frame file.

    Raises:
        NoPlaceError: If they have no place in the patient.
        DamagedError: If an attribute is missing or impossible.
        PARSE_ERRORS: If the file is damaged.
    """
    data = header.dataset()
    items = data.get("SharedFunctionalGroupsSequence", None)
    shared, groups = items[0] if items else Dataset(), data.PerFrameFunctionalGroupsSequence
    stated = header.number("NumberOfFrames")
    if stated is not None and stated != len(groups):
        raise DamagedError(f"says that it has {stated:g} frames, but describes {len(groups)}")
    for index, group in enumerate(groups):
        macros = _Macros(group, shared)
        values = macros.item("PixelValueTransformationSequence")
        place = Place.of(
            macros.item("PlanePositionSequence").get("ImagePositionPatient"),
            macros.item("PlaneOrientationSequence").get("ImageOrientationPatient"),
            macros.item("PixelMeasuresSequence").get("PixelSpacing"),
            values.get("RescaleSlope", header.text("RescaleSlope")),
            values.get("RescaleIntercept", header.text("RescaleIntercept")),
        )
        yield make_frame(header, index, place, _enhanced_traits(header, macros, index))


class _Macros:
    """The functional groups of one frame (PS3.3 C.7.6.16): its own, else those of all frames."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._own, self._shared = own, shared

    def item(self, sequence: str) -> Dataset:
        """Return the first item of a macro, an empty one if the file has none."""
        items = self._own.get(sequence, None) or self._shared.get(sequence, None)
        return items[0] if items else Dataset()

    def number(self, sequence: str, keyword: str) -> float | None:
        """Return a number of a macro; ``None`` if it is absent."""
        value = self.item(sequence).get(keyword, None)
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = value[0] if value else None
        return None if value is None or value == "" else float(value)


def _enhanced_traits(header: Header, macros: _Macros, index: int) -> Traits:
    kind: tuple[str, ...] = ()
    for name in ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence"):
        item = macros.item(name)
        kind += _words(item.get("FrameType")) + _words(item.get("ComplexImageComponent"))
    content, diffusion = macros.item("FrameContentSequence"), macros.item("MRDiffusionSequence")
    gradients = diffusion.get("DiffusionGradientDirectionSequence", None)
    direction = gradients[0].get("DiffusionGradientOrientation") if gradients else None
    moment = content.get("FrameReferenceDateTime", None) or content.get("FrameAcquisitionDateTime")
    own_number = macros.number("FrameContentSequence", "FrameAcquisitionNumber")
    return Traits(
        kind=kind or header.words("ImageType"),
        echo_ms=macros.number("MREchoSequence", "EffectiveEchoTime"),
        inversion_ms=macros.number("MRModifierSequence", "InversionTimes"),
        b_value=macros.number("MRDiffusionSequence", "DiffusionBValue"),
        direction=tuple(float(value) for value in direction) if direction else None,
        flip=macros.number("MRTimingAndRelatedParametersSequence", "FlipAngle"),
        kernel=_words(macros.item("CTReconstructionSequence").get("ConvolutionKernel")),
        kilovolts=macros.number("CTXRayDetailsSequence", "KVP"),
        stack=str(content.get("StackID", "") or ""),
        temporal=macros.number("FrameContentSequence", "TemporalPositionIndex"),
        trigger_ms=macros.number(
            "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"
        ),
        acquisition=header.number("AcquisitionNumber") if own_number is None else own_number,
        moment=str(moment or header.text("AcquisitionDateTime")),
        instance=(header.number("InstanceNumber") or 0.0, index),
    )


def _words(value: Any) -> tuple[str, ...]:
    """Return the words of a multi-valued code string."""
    if not value:
        return ()
    return (str(value),) if isinstance(value, str) else tuple(str(word) for word in value)
