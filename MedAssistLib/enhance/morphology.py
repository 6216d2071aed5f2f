"""What the filters of grey-scale morphology share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.enhance.blocks import Array, on_slices, part_of
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.pieces import run_in_pieces
from MedAssistLib.enhance.voxels import Slices, radius_in_voxels, radius_reach
from MedAssistLib.progress import Progress

_HIGHEST = float(np.finfo(np.float32).max)
# Time for one neighbour of a voxel.
_COST_S = 3e-9


@dataclass(frozen=True, kw_only=True)
class BallOptions(Options):
    """How large the ball is that is moved through the image."""

    radius: float = option(
        2.0,
        least=0.1,
        most=10.0,
        unit="mm",
        help="Radius of the ball: what is thinner than its diameter counts as small",
    )


def opened(
    image: sitk.Image,
    options: BallOptions,
    progress: Progress,
    _state: None = None,
    keep: Slices | None = None,
) -> sitk.Image:
    """Return the grey-scale opening with a ball; of some slices only if ``keep`` says which."""
    if keep:
        return _both_on_slices(
            (np.minimum, np.maximum), image, options.radius, _HIGHEST, progress, keep
        )
    steps = (sitk.GrayscaleErodeImageFilter(), sitk.GrayscaleDilateImageFilter())
    return _both(steps, image, options.radius, _HIGHEST, progress)


def closed(
    image: sitk.Image,
    options: BallOptions,
    progress: Progress,
    _state: None = None,
    keep: Slices | None = None,
) -> sitk.Image:
    """Return the grey-scale closing with a ball; of some slices only if ``keep`` says which."""
    if keep:
        return _both_on_slices(
            (np.maximum, np.minimum), image, options.radius, -_HIGHEST, progress, keep
        )
    steps = (sitk.GrayscaleDilateImageFilter(), sitk.GrayscaleErodeImageFilter())
    return _both(steps, image, options.radius, -_HIGHEST, progress)


def _both(
    steps: tuple[Any, Any], image: sitk.Image, radius: float, outside: float, progress: Progress
) -> sitk.Image:
    """Run two passes on a border that counts for nothing in the first, as ITK's own filters do."""
    ball = radius_in_voxels(image, radius)
    made = sitk.ConstantPad(image, ball, ball, outside)
    cost = _COST_S * math.prod(2 * r + 1 for r in ball)
    for number, step in enumerate(steps):
        step.SetKernelType(sitk.sitkBall)
        step.SetKernelRadius(ball)
        made = run_in_pieces(
            step,
            progress,
            made,
            around=ball,
            cost_s=cost,
            start=number / len(steps),
            stop=(number + 1) / len(steps),
        )
    cropped: sitk.Image = sitk.Crop(made, ball, ball)
    return cropped


def _both_on_slices(  # noqa: PLR0913, PLR0917 - each is a fact about the work
    extremes: tuple[np.ufunc, np.ufunc],
    image: sitk.Image,
    radius: float,
    outside: float,
    progress: Progress,
    keep: Slices,
) -> sitk.Image:
    """Do the two passes of :func:`_both` for some slices only."""
    ball = radius_in_voxels(image, radius)
    rows = _rows_of_ball(ball)

    def work(block: Array) -> Array:
        for extreme in extremes:
            block = _extremes(block, extreme, rows, progress)
        return block

    around = [2 * r for r in ball]
    return on_slices(image, keep, around, work, progress, outside=outside)


def _rows_of_ball(radius: list[int]) -> npt.NDArray[np.int_]:
    """Return half the length of each row along i of ITK's ball, axes (k, j); -1 for none."""
    impulse = sitk.Image([2 * r + 1 for r in radius], sitk.sitkUInt8)
    impulse[radius] = 1
    ball = sitk.GetArrayFromImage(sitk.GrayscaleDilate(impulse, radius, sitk.sitkBall))
    rows: npt.NDArray[np.int_] = (ball.sum(axis=2, dtype=np.int_) - 1) // 2
    return rows


def _extremes(
    block: Array, extreme: np.ufunc, rows: npt.NDArray[np.int_], progress: Progress
) -> Array:
    """Return a block's extremes over a ball, without the ball's radius on each side.

    Args:
        block: Values, axes (k, j, i).
        extreme: ``np.minimum`` or ``np.maximum``.
        rows: Half the length of each row of the ball, axes (k, j).
        progress: Looked at for cancellation.
    """
    widest = int(rows.max())
    depth, height, width = (
        n - m for n, m in zip(block.shape, (*np.subtract(rows.shape, 1), 2 * widest), strict=True)
    )
    made = part_of(block, (*np.floor_divide(rows.shape, 2), widest)).copy()
    run = block[:, :, widest : widest + width]
    for half in range(widest + 1):
        progress.check()
        if half:
            first, last = widest - half, widest + half
            run = extreme(run, block[:, :, first : first + width])
            extreme(run, block[:, :, last : last + width], out=run)
        for k, j in np.argwhere(rows == half):
            extreme(made, run[k : k + depth, j : j + height], out=made)
    return made


def ball_reach(options: BallOptions, spacing: float) -> float:
    """Return how far, in mm, an opening or closing looks along an axis: it is two passes."""
    return 2.0 * radius_reach(options.radius, spacing)
