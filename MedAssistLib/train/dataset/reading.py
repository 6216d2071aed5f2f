"""The voxels of a labelled case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from MedAssistLib.read.images import header_of, inspect
from MedAssistLib.read.itk import READERS
from MedAssistLib.read.kinds import kind_of
from MedAssistLib.train.dataset.cases import LabelledCase, Structures
from MedAssistLib.train.dataset.description import IGNORE


def read_case(
    case: LabelledCase, structures: Structures
) -> tuple[tuple[Scan, ...], npt.NDArray[np.int16]]:
    """Read the scans and labels of a case.

    Args:
        case: The case.
        structures: What its labels mean.

    Returns:
        One scan a channel, and the labels as indices into ``structures.values`` (-1 where they are
        to be ignored), axes (k, j, i). All are on the first scan's grid, with their voxels stored
        in its order.

    Raises:
        InputError: If a file cannot be read, the channels or labels are not on one grid, or there
            are labels that are not known.
        ResourceError: If it does not fit into memory.
    """
    scans = read_channels(case)
    placed = (scans[0], *(_placed(scan, scans[0]) for scan in scans[1:]))
    labels = label_image(case, structures, scans[0])
    array: npt.NDArray[np.integer] = sitk.GetArrayViewFromImage(labels)
    try:
        return placed, structures.indexed(array)
    except InputError as error:
        error.where = error.where or str(case.label)
        raise


def read_channels(case: LabelledCase) -> tuple[Scan, ...]:
    """Read the scans of a case, one a channel; a single 4-D file holds all of them.

    Raises:
        InputError: If a file cannot be read.
        ResourceError: If it does not fit into memory.
    """
    if len(case.images) == 1 and (count := _volumes(case.images[0])) > 1:
        numbers = [ReadOptions(series=str(number)) for number in range(1, count + 1)]
        return tuple(read_scan(case.images[0], number) for number in numbers)
    return tuple(read_scan(path) for path in case.images)


def label_image(case: LabelledCase, structures: Structures, scan: Scan | None) -> sitk.Image:
    """Read the labels of a case, with the values that ``structures`` has.

    A file that names its segments, as Slicer's do, is understood by the names: each such file may
    number them in another way.

    Args:
        case: The case.
        structures: What its labels mean.
        scan: The scan on whose grid they are to be, stored in its order.

    Raises:
        InputError: If they cannot be read, are not on the scan's grid, or a segment is not known.
    """
    segmentation = read_segmentation(case.label, scan)
    table = _renumbered(case.label, segmentation, structures)
    if table is None:
        return segmentation.labels
    array = sitk.GetArrayViewFromImage(segmentation.labels)
    return geometry.from_array(table[array], segmentation.labels)


def _renumbered(
    path: Path, segmentation: Segmentation, structures: Structures
) -> npt.NDArray[np.uint16] | None:
    """Return the value of the structure of each segment's name; ``None`` to go by the values."""
    if structures.overlapping:
        return None
    values = dict(zip(structures.names, (value for (value,) in structures.members), strict=True))
    if structures.ignore is not None:
        values[IGNORE] = structures.ignore
    segments = segmentation.segments
    if not any(segment.name in values for segment in segments):
        return None
    unknown = [segment.name for segment in segments if segment.name not in values]
    if unknown:
        what = f'has a segment "{unknown[0]}", which is none of {", ".join(values)}'
        raise InputError(what, where=path, hint="Name it as the others, or remove it")
    table = np.zeros(max(segment.label for segment in segments) + 1, dtype=np.uint16)
    for segment in segments:
        table[segment.label] = values[segment.name]
    return table


def _volumes(path: Path) -> int:
    """Return how many volumes an image file holds; 1 for what is read in another way."""
    if not path.is_file():
        return 1
    header = header_of(path)
    kind = kind_of(header)
    return inspect(header, kind).volumes if kind in READERS else 1


def _placed(scan: Scan, first: Scan) -> Scan:
    image = geometry.stored_as(scan.image, first.image)
    if image is None:
        hint = "Resample all channels of a case to one grid"
        where = scan.source or scan.name
        raise InputError("is not on the grid of the first channel", where=where, hint=hint)
    return Scan(image=image, modality=scan.modality, name=scan.name, source=scan.source)
