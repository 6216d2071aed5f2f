"""The structures of a segmentation as DICOM describes them (PS3.3 C.8.20.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Code, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.dicom.codes import concept, long_string
from MedAssistLib.export.dicom.makers import NOT_KNOWN, Maker, maker_of
from MedAssistLib.export.dicom.sources import Source
from MedAssistLib.export.dicom.uids import derived_uid

if TYPE_CHECKING:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

NEURAL_NETWORK = Code("123110", "DCM", "Artificial Intelligence")


def by_label(segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments in the order in which DICOM numbers them: 1, 2, … by rising label."""
    return sorted(segments, key=lambda segment: segment.label)


def segment_numbers(
    labels: sitk.Image, segments: Sequence[Segment]
) -> npt.NDArray[np.unsignedinteger]:
    """Return the number of the segment at each voxel, axes (k, j, i), 0 for none.

    Args:
        labels: Label image.
        segments: By rising label.

    Raises:
        InputError: If a voxel has a value that no segment has.
    """
    known = np.array([segment.label for segment in segments])
    array = sitk.GetArrayViewFromImage(labels)
    numbers = np.zeros(array.shape, np.uint8 if len(known) < 256 else np.uint16)
    for plane, out in zip(array, numbers, strict=True):
        inside = plane != 0
        values = plane[inside].astype(np.int64)
        places = np.searchsorted(known, values)
        unknown = values[known[np.minimum(places, len(known) - 1)] != values]
        if len(unknown):
            what = f"has voxels of value {unknown[0]}, which none of its segments has"
            raise InputError(what, where="segmentation", hint="Describe each of its labels")
        out[inside] = places + 1
    return numbers


def tracking_uids(segments: Sequence[Segment], source: Source) -> dict[int, str]:
    """Return for each label the UID of that structure of that scan, the same in every export."""
    seen: Counter[str] = Counter()
    uids = {}
    for segment in by_label(segments):
        side = segment.modifier.value if segment.modifier else ""
        what = repr((long_string(segment.name), segment.type.value, side))
        seen[what] += 1
        uids[segment.label] = derived_uid("structure", source.series_uid, what, str(seen[what]))
    return uids


def descriptions(segmentation: Segmentation, source: Source) -> list[SegmentDescription]:
    """Return the description of each segment, in the order of their numbers."""
    maker, tracking = maker_of(segmentation.made_by), tracking_uids(segmentation.segments, source)
    return [
        _description(number, segment, maker, tracking[segment.label])
        for number, segment in enumerate(by_label(segmentation.segments), 1)
    ]


def _description(number: int, segment: Segment, maker: Maker, tracking: str) -> SegmentDescription:
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription

    made = SegmentDescription(
        segment_number=number,
        segment_label=long_string(segment.name),
        segmented_property_category=concept(segment.category),
        segmented_property_type=concept(segment.type),
        algorithm_type=maker.kind if maker.model else "MANUAL",
        algorithm_identification=_algorithm(maker),
        tracking_uid=tracking,
        tracking_id=long_string(segment.name),
        anatomic_regions=[concept(segment.region)] if segment.region else None,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )
    if segment.modifier:
        (kind,) = made.SegmentedPropertyTypeCodeSequence
        kind.SegmentedPropertyTypeModifierCodeSequence = [concept(segment.modifier)]
    return made


def say_who(described: Iterable[Dataset], maker: Maker) -> None:
    """Complete the descriptions in an object: not even highdicom can name what nobody knows."""
    for item in described:
        item.SegmentAlgorithmType = maker.kind
        if maker.kind != "MANUAL":
            item.SegmentAlgorithmName = long_string(maker.model) or NOT_KNOWN


def _algorithm(maker: Maker) -> AlgorithmIdentificationSequence | None:
    from highdicom import AlgorithmIdentificationSequence

    if not maker.model:
        return None
    return AlgorithmIdentificationSequence(
        name=long_string(maker.model),
        family=concept(NEURAL_NETWORK),
        version=long_string(maker.version),
    )
