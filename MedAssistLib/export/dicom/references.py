"""The images that a segmentation refers to (PS3.3 C.7.6.16.2.6 and C.12.2)."""

from __future__ import annotations

from pydicom import Dataset

from MedAssistLib.case import Code
from MedAssistLib.export.dicom.codes import concept
from MedAssistLib.export.dicom.planes import Origin
from MedAssistLib.export.dicom.sources import Source

_DERIVED_BY = Code("113076", "DCM", "Segmentation")
_DERIVED_FROM = Code("121322", "DCM", "Source image for image processing operation")


def refer_to_series(data: Dataset, source: Source) -> None:
    """Let an object refer to each file of its source."""
    data.SourceImageSequence = [_instance(*found) for found in source.instances]
    series = Dataset()
    series.SeriesInstanceUID = source.series_uid
    series.ReferencedInstanceSequence = [_instance(*found) for found in source.instances]
    data.ReferencedSeriesSequence = [series]


def refer_to_images(frame: Dataset, origin: Origin) -> None:
    """Let one frame of a segmentation refer to the images that it was drawn on.

    Args:
        frame: Its item of the Per-Frame Functional Groups Sequence.
        origin: The images.
    """
    frame.DerivationImageSequence = []
    if not origin.frames:
        return
    images = []
    for sop_class, instance, number in origin.frames:
        image = _instance(sop_class, instance)
        if number is not None:
            image.ReferencedFrameNumber = number
        image.SpatialLocationsPreserved = "YES" if origin.same else "NO"
        image.PurposeOfReferenceCodeSequence = [concept(_DERIVED_FROM)]
        images.append(image)
    derivation = Dataset()
    derivation.DerivationCodeSequence = [concept(_DERIVED_BY)]
    derivation.SourceImageSequence = images
    frame.DerivationImageSequence = [derivation]


def _instance(sop_class: str, instance: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = sop_class
    reference.ReferencedSOPInstanceUID = instance
    return reference
