"""The frame of a classic single-frame file (PS3.3 A.3 CT, A.4 MR, A.21 PET and their like)."""

from __future__ import annotations

from MedAssistLib.read.dicom.frames import Frame, Place, Traits, make_frame
from MedAssistLib.read.dicom.headers import Header

_GE_OFFSET = 1e9  # newer software of GE adds it to b-values


def classic_frame(header: Header) -> Frame:
    """Return the frame of a single-frame file.

    Raises:
        NoPlaceError: If the image has no place in the patient.
        DamagedError: If an attribute is missing or impossible.
    """
    # A modality LUT takes the place of the rescale (PS3.3 C.11.1.1).
    table = header.text("ModalityLUTSequence")
    place = Place.of(
        header.words("ImagePositionPatient"),
        header.words("ImageOrientationPatient"),
        header.words("PixelSpacing"),
        "" if table else header.text("RescaleSlope"),
        "" if table else header.text("RescaleIntercept"),
    )
    return make_frame(header, 0, place, _classic_traits(header))


def _classic_traits(header: Header) -> Traits:
    return Traits(
        kind=header.words("ImageType") + header.words("ComplexImageComponent"),
        echo_ms=header.number("EchoTime"),
        inversion_ms=header.number("InversionTime"),
        b_value=_b_value(header),
        direction=_direction(header),
        flip=header.number("FlipAngle"),
        kernel=header.words("ConvolutionKernel"),
        kilovolts=header.number("KVP"),
        temporal=header.number("TemporalPositionIdentifier"),
        trigger_ms=header.number("TriggerTime"),
        acquisition=header.number("AcquisitionNumber"),
        moment=header.text("AcquisitionDate") + header.text("AcquisitionTime"),
        instance=(header.number("InstanceNumber") or 0.0, 0),
    )


def _b_value(header: Header) -> float | None:
    """Return the b-value, standard or as Siemens, GE or Philips keep it privately."""
    for keyword in ("DiffusionBValue", "SiemensBValue", "PhilipsBValue", "GEBValue"):
        value = header.number(keyword)
        if value is not None:
            return value % _GE_OFFSET
    return None


def _direction(header: Header) -> tuple[float, ...] | None:
    for keyword in ("DiffusionGradientOrientation", "SiemensGradientDirection"):
        words = header.words(keyword)
        if len(words) == 3:
            return tuple(float(word) for word in words)
    return None
