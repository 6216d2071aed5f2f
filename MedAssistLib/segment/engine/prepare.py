"""From scans to the array that a network was trained on, and the way back.

Oblique scans are not resampled along the body's axes: nnU-Net and its relatives take the axes of
the scan as they are, with the spacing along them, and were trained with turned patches. Axes are
only swapped and flipped, which touches no value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
import torch

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError, ModelError
from MedAssistLib.models.plan import Foreground, InferencePlan, Moment, Resampling
from MedAssistLib.segment.engine.normalise import normalise
from MedAssistLib.segment.engine.resample import Interpolation, interpolation, new_size, resample
from MedAssistLib.volumes import fill_holes

Array = npt.NDArray[np.generic]
Size = tuple[int, int, int]
Spacing = tuple[float, float, float]
Box = tuple[slice, slice, slice]

_PAIRS = ("RL", "AP", "SI")
_LABELS = Resampling(order=1)
# nnU-Net's label for the surroundings of the non-zero region, apart from the background.
_OUTSIDE = -1
# Shares that differ by no more than rounding are a draw.
_DRAW = 1e-6


@dataclass(frozen=True)
class Turn:
    """How a scan's array axes are ordered and flipped for a model.

    Attributes:
        order: For each axis of the model, the axis (k, j, i) of the scan.
        flips: The axes of the model that run against the scan's.
    """

    order: tuple[int, ...]
    flips: tuple[int, ...]

    @classmethod
    def of(cls, image: sitk.Image, plan: InferencePlan) -> Turn:
        """Return how a scan is turned for a plan."""
        stored = geometry.orientation(image)[::-1]
        wanted = plan.orientation[::-1] or stored
        axes = [next(p for p in _PAIRS if letter in p) for letter in stored]
        order, flips = [], []
        for axis, which in enumerate(plan.transpose):
            letter = wanted[which]
            source = axes.index(next(p for p in _PAIRS if letter in p))
            order.append(source)
            if stored[source] != letter:
                flips.append(axis)
        return cls(tuple(order), tuple(flips))

    def there(self, array: Array) -> Array:
        """Return a view of a scan's array (k, j, i) with the axes of the model.

        What is written to the view lands in the array, which is the way back.
        """
        return np.flip(array.transpose(self.order), self.flips)


@dataclass(frozen=True)
class Placement:
    """Where the model's grid lies in the scan's.

    Attributes:
        turn: How the axes were turned.
        whole: Voxels of the scan along the turned axes.
        box: The part of it that the model sees.
        spacing: mm of the scan along the turned axes.
        size: Voxels of the model's grid.
        model_spacing: mm of the model's grid.
    """

    turn: Turn
    whole: Size
    box: Box
    spacing: Spacing
    size: Size
    model_spacing: Spacing

    @property
    def scan_size(self) -> Size:
        """Voxels of the scan along its own (k, j, i)."""
        k, j, i = (self.whole[self.turn.order.index(axis)] for axis in range(3))
        return k, j, i

    @property
    def box_size(self) -> Size:
        """Voxels of the scan that the model's grid covers, along the turned axes."""
        k, j, i = (part.stop - part.start for part in self.box)
        return k, j, i


@dataclass(frozen=True)
class Prepared:
    """What the network sees.

    Attributes:
        data: float32, axes (channel, k, j, i) of the model.
        placement: The way back.
    """

    data: torch.Tensor
    placement: Placement


def check(scans: Sequence[Scan], plan: InferencePlan) -> None:
    """Refuse scans that do not fit a model.

    Raises:
        ModelError: If the model needs another number of channels.
        InputError: If the scans do not share one grid.
    """
    if len(scans) != len(plan.normalisation):
        hint = "Give one scan for each channel of the model, in its order"
        what = f"the model needs {len(plan.normalisation)} scans, not {len(scans)}"
        raise ModelError(what, hint=hint)
    for scan in scans[1:]:
        if not geometry.same_grid(scans[0].image, scan.image):
            hint = "Resample it onto the first scan's grid"
            what = "does not lie on the grid of the first scan"
            raise InputError(what, where=scan.source or scan.name, hint=hint)


def model_spacing(plan: InferencePlan, spacing: Spacing) -> Spacing:
    """Return the spacing of the model's grid for a scan's spacing along the turned axes."""
    if not plan.spacing:
        return spacing
    # A 2-D network leaves the slices where they are.
    k, j, i = (spacing[0], *plan.spacing)[-3:]
    if plan.kept_spacing:
        k, j, i = (
            own if low <= own <= high else wanted
            for own, wanted, (low, high) in zip(spacing, (k, j, i), plan.kept_spacing, strict=True)
        )
    return k, j, i


def _go_on() -> None:
    """Never stop."""


def prepare(
    scans: Sequence[Scan],
    plan: InferencePlan,
    device: str,
    earlier: Array | None = None,
    look: Callable[[], None] = _go_on,
) -> Prepared:
    """Turn, crop, normalise and resample scans as the model's training did.

    Args:
        scans: One a channel, on one grid.
        plan: The model's.
        device: Torch device on which to do it and where the result stays.
        earlier: Labels of the stage before, axes (k, j, i) of the scan.
        look: Called between the steps; it may raise to stop.

    Raises:
        ModelError: If the model needs another number of channels.
        InputError: If the scans do not share one grid, or have values that the model cannot use.
    """
    check(scans, plan)
    turn = Turn.of(scans[0].image, plan)
    views = [turn.there(sitk.GetArrayViewFromImage(scan.image)) for scan in scans]
    spacing = _spacing(scans[0].image, turn)
    box = _box(views, plan)
    seen = _everything(views[0]) if plan.moment is Moment.WHOLE else box
    data = torch.from_numpy(np.stack([view[seen] for view in views], dtype=np.float32)).to(device)
    look()
    mask = _mask(data, plan)
    look()
    if plan.moment is not Moment.RESAMPLED:
        normalise(data, plan.normalisation, mask)
    if seen is not box:
        data = data[(slice(None), *box)]
    target = model_spacing(plan, spacing)
    size = new_size(data.shape[1:], spacing, target, first_voxels=plan.data.first_voxels)
    how = interpolation(plan.data, spacing, target)
    channels = []
    for channel in data:
        look()
        channels.append(resample(channel[None], size, how))
    data = torch.cat(channels)
    if plan.moment is Moment.RESAMPLED:
        normalise(data, plan.normalisation)
    whole, _ = turned_size(scans[0].image, plan)
    placement = Placement(turn, whole, box, spacing, size, target)
    if plan.cascade:
        labels = _resample_labels(_earlier(earlier, placement, mask).to(device), placement)
        data = torch.cat([data, torch.stack([(labels == label).float() for label in plan.cascade])])
    return Prepared(data, placement)


def place_labels(labels: Array, placement: Placement) -> torch.Tensor:
    """Bring labels to the model's grid, for training.

    Args:
        labels: Whole numbers, axes (k, j, i) of the scan.
        placement: Where the model's grid lies.

    Returns:
        The label of the greatest share in each voxel, axes (k, j, i) of the model.
    """
    inside = np.array(placement.turn.there(labels)[placement.box], dtype=np.int32, order="C")
    return _resample_labels(torch.from_numpy(inside), placement)


def turned_size(
    image: sitk.Image, plan: InferencePlan, size: Sequence[int] | None = None
) -> tuple[Size, Spacing]:
    """Return the voxels and spacing of a scan along the axes of a model, before any cropping.

    Args:
        image: The scan, or an image with its spacing and direction.
        plan: The model's.
        size: Voxels of the scan along i, j, k, if they are not the image's.
    """
    turn = Turn.of(image, plan)
    stored = (size or image.GetSize())[::-1]
    k, j, i = (int(stored[axis]) for axis in turn.order)
    return (k, j, i), _spacing(image, turn)


def _spacing(image: sitk.Image, turn: Turn) -> Spacing:
    stored = image.GetSpacing()[::-1]
    k, j, i = (float(stored[axis]) for axis in turn.order)
    return k, j, i


def _everything(view: Array) -> Box:
    return slice(0, view.shape[0]), slice(0, view.shape[1]), slice(0, view.shape[2])


def _box(views: Sequence[Array], plan: InferencePlan) -> Box:
    """Return the part of the scan that the network sees."""
    bright = plan.foreground
    if bright is None:
        found = _around(views, lambda plane: plane != 0) if plan.crop_to_nonzero else None
        return found or _everything(views[0])
    counted = views[:1] if bright.first_only else views
    found = _around(counted, lambda plane: np.greater(plane, bright.above))
    return _widened(found, bright, views[0]) if found else _everything(views[0])


def _widened(box: Box, bright: Foreground, view: Array) -> Box:
    k, j, i = (
        slice(max(0, part.start - bright.margin), min(length, part.stop + bright.margin))
        for part, length in zip(box, view.shape, strict=True)
    )
    return k, j, i


def _around(views: Sequence[Array], chosen: Callable[[Array], npt.NDArray[np.bool_]]) -> Box | None:
    """Return the box around all voxels that are chosen in some channel; ``None`` for none."""
    # Seen along one axis, a voxel of the plane is there if any of its line is.
    front = np.zeros(views[0].shape[1:], dtype=bool)
    rows = np.zeros(views[0].shape[0], dtype=bool)
    for view in views:
        for row, plane in enumerate(view):
            there = chosen(plane)
            rows[row] |= there.any()
            front |= there
    if not rows.any():
        return None
    k, j, i = (np.flatnonzero(line) for line in (rows, front.any(1), front.any(0)))
    return (
        slice(int(k[0]), int(k[-1]) + 1),
        slice(int(j[0]), int(j[-1]) + 1),
        slice(int(i[0]), int(i[-1]) + 1),
    )


def _mask(data: torch.Tensor, plan: InferencePlan) -> torch.Tensor | None:
    """Return the non-zero region without holes, if the plan needs it."""
    if not plan.cascade and not any(channel.within_mask for channel in plan.normalisation):
        return None
    return torch.from_numpy(fill_holes((data != 0).any(0).cpu().numpy())).to(data.device)


def _earlier(labels: Array | None, placement: Placement, mask: torch.Tensor | None) -> torch.Tensor:
    """Return the labels of the stage before in the box, with what lies outside the mask marked."""
    if labels is None:
        raise ModelError("the model needs the result of the stage before it")
    inside = np.array(placement.turn.there(labels)[placement.box], dtype=np.int32, order="C")
    if mask is not None:
        inside[(inside == 0) & ~mask.cpu().numpy()] = _OUTSIDE
    return torch.from_numpy(inside)


def _resample_labels(labels: torch.Tensor, placement: Placement) -> torch.Tensor:
    """Return the label of the greatest share, label by label; of a draw, the nearest voxel's.

    nnU-Net does so, with batchgenerators since 0.25.5.
    """
    if placement.size == tuple(labels.shape):
        return labels
    how = interpolation(_LABELS, placement.spacing, placement.model_spacing)
    nearest = resample(labels[None], placement.size, Interpolation((0, 0, 0)))[0].int()
    best = torch.zeros(placement.size, device=labels.device)
    of_nearest, winner = torch.zeros_like(best), torch.zeros_like(nearest)
    for label in np.unique(labels.cpu().numpy()).tolist():
        share = resample((labels == label)[None].float(), placement.size, how)[0]
        winner[share > best + _DRAW] = label
        best = torch.maximum(best, share)
        of_nearest = torch.where(nearest == label, share, of_nearest)
    return torch.where(of_nearest >= best - _DRAW, nearest, winner)
