"""One pass over the cases: what the audit and the fingerprint both need to know of each."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Finding, Scan
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.train.dataset.cases import LabelledCase, Structures, TrainingSet
from MedAssistLib.train.dataset.content import (
    Intensities,
    content_box,
    hash_of,
    intensities,
    look_of,
    upright,
)
from MedAssistLib.train.dataset.reading import label_image, read_channels
from MedAssistLib.train.dataset.shapes import StructureFacts, structure_facts, value_counts
from MedAssistLib.train.dataset.threads import in_threads

_PAIRS = ("LR", "AP", "SI")

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the voxels of an image lie.

    Attributes:
        size: Voxels along i, j, k.
        spacing: Their distance in mm.
        origin: Place of the first, LPS mm.
        orientation: Where the axes point to most nearly, such as ``"LPS"``.
    """

    size: tuple[int, int, int]
    spacing: Triple
    origin: Triple
    orientation: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelFacts:
    """One channel of a case.

    Attributes:
        grid: Where it lies.
        fits: Whether that is the grid of the first channel, perhaps stored in another order.
        foreground: Those within the structures; ``None`` if there are none, or the labels or the
            channel do not fit.
    """

    grid: Grid
    fits: bool
    foreground: Intensities | None


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseFacts:
    """What is known of a case.

    Attributes:
        case: The case.
        problem: Why it cannot be read; then nothing else is known.
        channels: Its channels.
        labels: Where the labels lie; ``None`` if they were not read.
        fits: Whether the labels are on the first channel's grid.
        counts: Voxels of each label value that is there, 0 among them.
        structures: The structures, in their order.
        box: Start and size (i, j, k) of the box outside of which all channels are 0.
        images_hash: Hash of the voxels of all channels.
        labels_hash: Hash of the label values.
        look: A small picture of the first channel, as
            :func:`~MedAssistLib.train.dataset.content.look_of` makes it.
        notes: What was odd when the images were read.
    """

    case: LabelledCase
    problem: str = ""
    channels: tuple[ChannelFacts, ...] = ()
    labels: Grid | None = None
    fits: bool = False
    counts: Mapping[int, int]
    structures: tuple[StructureFacts, ...] = ()
    box: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None
    images_hash: str = ""
    labels_hash: str = ""
    look: npt.NDArray[np.float32] | None = None
    notes: tuple[Finding, ...] = ()


def upright_axes(grid: Grid) -> tuple[int, int, int]:
    """Return which of i, j, k is nearest to left-right, to front-back and to bottom-top."""
    nearest = [next(n for n in range(3) if grid.orientation[n] in pair) for pair in _PAIRS]
    return nearest[0], nearest[1], nearest[2]


def gather(dataset: TrainingSet, progress: Progress | None = None) -> tuple[CaseFacts, ...]:
    """Read every case once and count.

    Args:
        dataset: The training set.
        progress: Told how many cases are done.

    Returns:
        The facts on each case, in the order of the cases. A case that cannot be read is told, too.

    Raises:
        ResourceError: If a case does not fit into memory.
        CancelledError: If the user asked to stop.
    """
    progress = (progress or Progress()).part("Reading cases", 0.0, 1.0)
    work = functools.partial(case_facts, structures=dataset.structures)
    return in_threads(work, dataset.cases, progress)


def case_facts(case: LabelledCase, structures: Structures) -> CaseFacts:
    """Read a case and count.

    Raises:
        ResourceError: If it does not fit into memory.
    """
    try:
        scans = read_channels(case)
        labels, fits = _labels(case, structures, scans[0])
    except InputError as error:
        place = f"{Path(error.where).name} " if error.where else ""
        return CaseFacts(case=case, problem=f"{place}{error.what}", counts={})
    images = [geometry.stored_as(scan.image, scans[0].image) for scan in scans]
    first = upright(scans[0].image)
    others = [upright(scan.image) for scan in scans[1:]]
    foreground = _foreground(labels, structures) if fits else None
    return CaseFacts(
        case=case,
        channels=tuple(
            _channel(scan.image, image, foreground)
            for scan, image in zip(scans, images, strict=True)
        ),
        labels=_grid(labels),
        fits=fits,
        counts=value_counts(labels),
        structures=structure_facts(labels, structures),
        box=content_box(
            [sitk.GetArrayViewFromImage(image) for image in images if image is not None]
        ),
        images_hash=" ".join(hash_of(array) for array in (first, *others)),
        labels_hash=hash_of(upright(labels)),
        look=look_of(first),
        notes=tuple(finding for scan in scans for finding in scan.findings),
    )


def _labels(case: LabelledCase, structures: Structures, scan: Scan) -> tuple[sitk.Image, bool]:
    """Return the labels on the scan's grid, or on their own, and whether they fit."""
    try:
        return label_image(case, structures, scan), True
    except InputError:
        return label_image(case, structures, None), False


def _foreground(labels: sitk.Image, structures: Structures) -> npt.NDArray[np.bool_]:
    array = sitk.GetArrayViewFromImage(labels)
    found: npt.NDArray[np.bool_] = array > 0
    return found if structures.ignore is None else found & (array != structures.ignore)


def _channel(
    image: sitk.Image, placed: sitk.Image | None, foreground: npt.NDArray[np.bool_] | None
) -> ChannelFacts:
    within = None
    if placed is not None and foreground is not None and foreground.any():
        within = intensities(sitk.GetArrayViewFromImage(placed)[foreground])
    return ChannelFacts(
        grid=_grid(image),
        fits=placed is not None,
        foreground=within,
    )


def _grid(image: sitk.Image) -> Grid:
    return Grid(
        size=image.GetSize(),
        spacing=image.GetSpacing(),
        origin=image.GetOrigin(),
        orientation=geometry.orientation(image),
    )
