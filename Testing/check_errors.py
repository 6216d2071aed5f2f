"""Errors of known kind, size and place, put into correct labels: what a check must find.

Sizes are millimetres; masks have the axes (k, j, i). Nothing is random but through the generator
that is given, so that a benchmark can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Point, Segment, Segmentation

Labels = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]
_SLICE = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Injected:
    """A segmentation with one error.

    Attributes:
        kind: What was done, a key of :data:`KINDS`.
        size: How large it is, mm.
        structure: Name of the structure that it was done to.
        affected: Names of all structures that gained or lost a voxel.
        segmentation: The labels with the error.
        changed: The voxels whose label is another than before, LPS mm, shape (n, 3).
    """

    kind: str
    size: float
    structure: str
    affected: frozenset[str]
    segmentation: Segmentation
    changed: npt.NDArray[np.float64]

    def distance(self, point: Point) -> float:
        """Return how far a point is from the nearest voxel that was changed, mm."""
        return float(np.linalg.norm(self.changed - np.array(point), axis=1).min())


@dataclass(frozen=True, eq=False)
class Target:
    """The structure that an error is done to, and what is around it."""

    labels: Labels
    label: int
    spacing: tuple[float, float, float]
    rng: np.random.Generator

    @property
    def mask(self) -> Mask:
        return self.labels == self.label

    @property
    def free(self) -> Mask:
        return self.labels == 0

    def with_mask(self, mask: Mask) -> Labels:
        """Return the labels with the structure at ``mask``: it takes free voxels only."""
        labels = np.where(self.mask, 0, self.labels)
        labels[mask & (labels == 0)] = self.label
        return labels

    def ball(self, centre: npt.ArrayLike, radius: float) -> Mask:
        """Return the voxels whose centres are within ``radius`` mm of a voxel's."""
        grids = np.ogrid[tuple(slice(n) for n in self.labels.shape)]
        terms = zip(grids, np.asarray(centre), self.spacing, strict=True)
        return sum(((g - c) * s) ** 2 for g, c, s in terms) <= radius**2

    def depth(self) -> npt.NDArray[np.float64]:
        """Return how deep each voxel is in the structure, mm."""
        padded = np.pad(self.mask, 1)
        return ndimage.distance_transform_edt(padded, sampling=self.spacing)[1:-1, 1:-1, 1:-1]

    def away(self) -> npt.NDArray[np.float64]:
        """Return how far each voxel is from the structure, mm."""
        return ndimage.distance_transform_edt(~self.mask, sampling=self.spacing)

    def middle(self, axis: int, width: int) -> slice | None:
        """Return ``width`` slices with the structure, and it goes on behind both ends."""
        others = tuple(n for n in range(3) if n != axis)
        area = self.mask.sum(others)
        good = np.flatnonzero(area >= max(12, 0.5 * area.max()))
        starts = [n for n in good if n - 1 in good and n + width in good]
        if not starts:
            return None
        start = int(self.rng.choice(starts))
        return slice(start, start + width)

    def any_axis(self) -> int:
        return int(self.rng.integers(3))


def _slices(target: Target, size: float) -> tuple[int, slice] | None:
    """Return an axis and a run of slices across it that is about ``size`` mm thick."""
    axis = target.any_axis()
    run = target.middle(axis, max(1, round(size / target.spacing[axis])))
    return None if run is None else (axis, run)


def _at(axis: int, part: slice | int) -> tuple[slice | int, ...]:
    return tuple(part if n == axis else slice(None) for n in range(3))


def missing_slice(target: Target, size: float) -> Labels | None:
    """Nothing was drawn on some slices in the middle."""
    found = _slices(target, size)
    if found is None:
        return None
    mask = target.mask
    mask[_at(*found)] = False
    return target.with_mask(mask)


def copied_contour(target: Target, size: float) -> Labels | None:
    """One slice's contour was copied over the next ones."""
    found = _slices(target, size)
    if found is None:
        return None
    axis, run = found
    mask = target.mask
    mask[_at(axis, run)] = mask[_at(axis, slice(run.start - 1, run.start))]
    return target.with_mask(mask)


def spike(target: Target, size: float) -> Labels | None:
    """One slice's contour is too wide by ``size`` mm."""
    axis = target.any_axis()
    run = target.middle(axis, 1)
    if run is None:
        return None
    mask = target.mask
    plane = _at(axis, run.start)
    around = [s for n, s in enumerate(target.spacing) if n != axis]
    away = ndimage.distance_transform_edt(~mask[plane], sampling=around)
    mask[plane] = away <= size
    return target.with_mask(mask)


def step(target: Target, size: float) -> Labels | None:
    """All slices beyond one of them are displaced sideways by ``size`` mm."""
    axis = target.any_axis()
    run = target.middle(axis, 1)
    if run is None:
        return None
    move = _direction(target, axis) * size
    mask = target.mask
    beyond = _at(axis, slice(run.start, None))
    mask[beyond] = _moved(mask[beyond], move, target.spacing)
    return target.with_mask(mask)


def shift(target: Target, size: float) -> Labels:
    """The whole structure is displaced by ``size`` mm."""
    return target.with_mask(_moved(target.mask, _direction(target) * size, target.spacing))


def dilation(target: Target, size: float) -> Labels:
    """The whole boundary is too far out by ``size`` mm."""
    return target.with_mask(target.away() <= size)


def erosion(target: Target, size: float) -> Labels:
    """The whole boundary is too far in by ``size`` mm."""
    return target.with_mask(target.depth() > size)


def island(target: Target, size: float) -> Labels | None:
    """A ball of radius ``size`` mm hangs in the air."""
    gap = 2.0 * max(target.spacing)
    room = ndimage.distance_transform_edt(target.free, sampling=target.spacing) > size
    away = target.away()
    near = room & (away > size + gap) & (away < 3.0 * size + 2.0 * gap)
    _clear_border(near, size, target.spacing)
    centre = _any(near, target.rng)
    return None if centre is None else target.with_mask(target.mask | target.ball(centre, size))


def hole(target: Target, size: float) -> Labels | None:
    """A ball of radius ``size`` mm is left out inside."""
    depth = target.depth()
    centre = _any(depth > size + max(target.spacing), target.rng)
    return None if centre is None else target.with_mask(target.mask & ~target.ball(centre, size))


def cut(target: Target, size: float) -> Labels | None:
    """The last ``size`` mm at one end were not drawn: it ends in a plane."""
    axis = target.any_axis()
    others = tuple(n for n in range(3) if n != axis)
    there = np.flatnonzero(target.mask.any(others))
    count = round(size / target.spacing[axis])
    if count < 1 or count > len(there) // 2:
        return None
    mask = target.mask
    first = bool(target.rng.integers(2))
    part = slice(None, there[count]) if first else slice(there[-count], None)
    mask[_at(axis, part)] = False
    return target.with_mask(mask)


def leak(target: Target, size: float) -> Labels | None:
    """A ball of radius ``size`` mm beside it, of a neighbour if there is one, is taken."""
    outer = ndimage.binary_dilation(target.mask) & ~target.mask
    centre = _any(outer & ~target.free, target.rng)
    centre = _any(outer, target.rng) if centre is None else centre
    if centre is None:
        return None
    labels = target.labels.copy()
    labels[target.ball(centre, size)] = target.label
    return labels


def border_leak(target: Target, size: float) -> Labels | None:
    """A tube of radius ``size`` mm runs from it to the nearest border of the image."""
    indices = np.argwhere(target.mask)
    shape = np.array(target.labels.shape)
    room = np.concatenate([indices.min(axis=0), shape - 1 - indices.max(axis=0)])
    if room.min() * max(target.spacing) <= size:
        return None
    axis, first = int(room.argmin()) % 3, room.argmin() < 3
    start = indices[indices[:, axis].argmin() if first else indices[:, axis].argmax()]
    tube = target.ball(start, size).any(axis=axis, keepdims=True)
    part = slice(None, start[axis] + 1) if first else slice(start[axis], None)
    mask = target.mask
    mask[_at(axis, part)] |= np.broadcast_to(tube, mask.shape)[_at(axis, part)]
    return target.with_mask(mask)


def smoothed(target: Target, size: float) -> Labels:
    """The boundary was smoothed over with a Gaussian of ``size`` mm."""
    sigma = [size / s for s in target.spacing]
    return target.with_mask(ndimage.gaussian_filter(target.mask.astype(float), sigma) > 0.5)


def missing_structure(target: Target, _size: float) -> Labels:
    """The structure was not drawn at all."""
    return np.where(target.mask, 0, target.labels)


KINDS: dict[str, tuple[Callable[[Target, float], Labels | None], tuple[float, ...]]] = {
    "missing slice": (missing_slice, (1.0, 2.0, 3.0)),
    "copied contour": (copied_contour, (1.0, 2.0, 3.0)),
    "spike": (spike, (1.0, 2.0, 3.0)),
    "step": (step, (1.0, 2.0, 3.0)),
    "shift": (shift, (1.0, 2.0, 3.0)),
    "dilation": (dilation, (1.0, 2.0, 3.0)),
    "erosion": (erosion, (1.0, 2.0, 3.0)),
    "island": (island, (1.0, 2.0, 3.0)),
    "hole": (hole, (1.0, 2.0)),
    "cut": (cut, (3.0, 6.0)),
    "leak": (leak, (2.0, 3.0, 4.0)),
    "border leak": (border_leak, (1.0, 2.0)),
    "smoothed": (smoothed, (1.0, 2.0)),
    "missing structure": (missing_structure, (0.0,)),
}
"""What can be done to one structure, and the sizes of a benchmark, mm; see also :func:`swapped`."""


def inject(
    kind: str,
    segmentation: Segmentation,
    segment: Segment,
    size: float,
    rng: np.random.Generator,
) -> Injected | None:
    """Do an error of a kind to a structure; ``None`` where it cannot be done or changes nothing."""
    labels = sitk.GetArrayFromImage(segmentation.labels)
    spacing = segmentation.labels.GetSpacing()[::-1]
    do, _ = KINDS[kind]
    window = _around(labels == segment.label, size, spacing)
    # Only a leak to the border needs to know where the border is.
    part = labels if do is border_leak else labels[window]
    made = do(Target(part, segment.label, spacing, rng), size)
    if made is None or (made == part).all():
        return None
    if do is not border_leak:
        labels[window] = made
    return _injected(kind, size, segment.name, segmentation, made if do is border_leak else labels)


def swapped(segmentation: Segmentation, first: Segment, second: Segment) -> Injected:
    """Give two structures each other's label: left and right, or neighbours in a row."""
    labels = sitk.GetArrayFromImage(segmentation.labels)
    made = labels.copy()
    made[labels == first.label] = second.label
    made[labels == second.label] = first.label
    return _injected("swap", 0.0, first.name, segmentation, made)


def _injected(
    kind: str, size: float, structure: str, segmentation: Segmentation, made: Labels
) -> Injected:
    before = sitk.GetArrayViewFromImage(segmentation.labels)
    matrix = geometry.index_to_lps(segmentation.labels)
    other = before != made
    indices = np.argwhere(other)[:, ::-1]
    values = set(np.unique(np.concatenate([before[other], made[other]])).tolist())
    image = geometry.from_array(made.astype(before.dtype), segmentation.labels)
    return Injected(
        kind=kind,
        size=size,
        structure=structure,
        affected=frozenset(s.name for s in segmentation.segments if s.label in values),
        segmentation=replace(segmentation, labels=image),
        changed=indices @ matrix[:3, :3].T + matrix[:3, 3],
    )


def _around(mask: Mask, size: float, spacing: tuple[float, float, float]) -> tuple[slice, ...]:
    """Return slices that hold a mask and what an error of ``size`` mm may need around it."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    margins = [int(5.0 * size / step_mm) + 8 for step_mm in spacing]
    return tuple(
        slice(max(side.start - margin, 0), side.stop + margin)
        for side, margin in zip(box, margins, strict=True)
    )


def _direction(target: Target, across: int | None = None) -> npt.NDArray[np.float64]:
    """Return a direction (k, j, i) of length 1, within the slices across an axis if given."""
    towards = target.rng.normal(size=3)
    if across is not None:
        towards[across] = 0.0
    return towards / np.linalg.norm(towards)


def _moved(mask: Mask, move: npt.NDArray[np.float64], spacing: tuple[float, float, float]) -> Mask:
    """Return a mask displaced by ``move`` mm."""
    return ndimage.shift(mask.astype(float), move / np.array(spacing), order=1) >= 0.5


def _clear_border(mask: Mask, margin: float, spacing: tuple[float, float, float]) -> None:
    """Remove what is within ``margin`` mm and a voxel of the image's border."""
    for axis, step_mm in enumerate(spacing):
        width = int(margin / step_mm) + 1
        mask[_at(axis, slice(None, width))] = False
        mask[_at(axis, slice(-width, None))] = False


def _any(mask: Mask, rng: np.random.Generator) -> npt.NDArray[np.int64] | None:
    indices = np.argwhere(mask)
    return None if len(indices) == 0 else indices[rng.integers(len(indices))]
