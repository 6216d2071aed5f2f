"""Some slices of an image in numpy, block by block: for previews, where ITK would do all slices.

numpy needs an array in memory for each step, which is fast while a block's arrays stay in a
processor's cache. Blocks run in threads of their own: numpy lets others run while it calculates.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.enhance.voxels import Slices, as_slices
from MedAssistLib.progress import Progress

Array = npt.NDArray[np.float32]
Work = Callable[[Array], Array]

_BLOCK_VOXELS = 1 << 17
_ONE = (1, 1, 1)
_LARGE_BYTES = 1 << 24


def on_slices(  # noqa: PLR0913 - each is a fact about the work
    image: sitk.Image,
    keep: Slices,
    around: Sequence[int],
    work: Work,
    progress: Progress,
    *,
    outside: float | None = None,
    at_once: int = _BLOCK_VOXELS,
) -> sitk.Image:
    """Return what ``work`` makes of some slices of a float32 image, in their place.

    Args:
        image: The image, or a slab of it.
        keep: The slices that are wanted, as (axis, first, one after the last).
        around: How many voxels around each voxel its result depends on, along (i, j, k).
        work: Gets a block of values, axes (k, j, i), with so many more on each side, which it must
            not change; returns the block without those.
        progress: Looked at for cancellation.
        outside: The values beyond the image; ``None`` for the outermost ones.
        at_once: About how many voxels a block may have.

    Raises:
        CancelledError: If the user asked to stop.
    """
    across = 2 - keep[0]
    padded = _padded(sitk.GetArrayViewFromImage(image), keep, around[::-1], outside)
    shape = [n - 2 * a for n, a in zip(padded.shape, around[::-1], strict=True)]
    made = np.empty(shape, dtype=np.float32)
    _work_through(padded, made, across, work, progress, at_once)
    return as_slices(made, image, keep)


def iterated(
    image: sitk.Image,
    keep: Slices,
    iterations: int,
    work: Callable[[Array, int], Array],
    progress: Progress,
) -> sitk.Image:
    """Return some slices after a filter that sees one voxel each way ran several times.

    Args:
        image: The image, or a slab of it, whose outermost voxels continue.
        keep: The slices that are wanted, as (axis, first, one after the last).
        iterations: How many times.
        work: As for :func:`on_slices`; also gets the number of the iteration, from 0.
        progress: Looked at for cancellation.

    Raises:
        CancelledError: If the user asked to stop.
    """
    axis, first, stop = keep
    across, depth = 2 - axis, image.GetSize()[axis]

    def needed(left: int) -> tuple[int, int]:
        return max(first - left, 0), min(stop + left, depth)

    start, end = needed(iterations - 1)
    padded = _padded(sitk.GetArrayViewFromImage(image), (axis, start, end), _ONE, None)
    for number in range(iterations):

        def step(block: Array, number: int = number) -> Array:
            return work(block, number)

        made = np.moveaxis(np.empty_like(np.moveaxis(padded, across, 0)), 0, across)
        _work_through(padded, made[1:-1, 1:-1, 1:-1], across, step, progress, _BLOCK_VOXELS)
        _continue_outermost(made)
        # Only what later iterations still see.
        before = start
        start, end = needed(max(iterations - 2 - number, 0))
        padded = along(made, across, start - before, end - before + 2)
    return as_slices(padded[1:-1, 1:-1, 1:-1], image, keep)


def _work_through(  # noqa: PLR0913, PLR0917 - each is a fact about the work
    padded: Array, made: Array, across: int, work: Work, progress: Progress, at_once: int
) -> None:
    """Put into ``made`` what ``work`` makes of the same place with a margin, block by block."""
    keep_memory()
    threads, cut = os.cpu_count() or 1, 1 if across == 0 else 0
    margins = np.subtract(padded.shape, made.shape)
    # Single slices, unless their margin is thick, and of each so many rows as there is room for.
    thick = max(int(margins[across]) // 2, 1)
    wide = thick * made.size // (made.shape[across] * made.shape[cut])
    step = max(min(at_once, made.size // threads) // wide, 1)
    starts = itertools.product(range(0, made.shape[across], thick), range(0, made.shape[cut], step))

    def one(start: tuple[int, int]) -> None:
        progress.check()
        inside, around = made, padded
        for axis, first, size in zip((across, cut), start, (thick, step), strict=True):
            inside = along(inside, axis, first, first + size)
            around = along(around, axis, first, first + size + int(margins[axis]))
        inside[...] = work(around)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, starts))


def _continue_outermost(padded: Array) -> None:
    """Give the voxel beyond each side the value of the outermost one."""
    for axis in range(3):
        along(padded, axis, 0, 1)[...] = along(padded, axis, 1, 2)
        along(padded, axis, -1, None)[...] = along(padded, axis, -2, -1)


def keep_memory() -> None:
    """Make that arrays of some hundred kB are got and given back quickly from now on.

    glibc's malloc gives such memory back to the system at once, which takes as long as working on
    it, unless it has seen a larger piece come and go.
    """
    np.empty(_LARGE_BYTES, dtype=np.uint8)


def along(block: Array, axis: int, first: int | None, stop: int | None) -> Array:
    """Return a view of a block from ``first`` to ``stop`` - 1 along an axis."""
    return block[(slice(None),) * axis + (slice(first, stop),)]


def part_of(block: Array, around: Sequence[int], shift: Sequence[int] = (0, 0, 0)) -> Array:
    """Return a view of a block without what is around it, shifted; both along (k, j, i)."""
    return block[
        tuple(slice(a + s, n - a + s) for n, a, s in zip(block.shape, around, shift, strict=True))
    ]


def _padded(values: Array, keep: Slices, margin: Sequence[int], outside: float | None) -> Array:
    """Return slices with a margin, axes (k, j, i), stored slice by slice whatever the axis."""
    axis, first, stop = keep
    across = 2 - axis
    start, end = first - margin[across], stop + margin[across]
    depth = values.shape[across]
    upright = np.moveaxis(values, across, 0)[max(start, 0) : min(end, depth)]
    widths = [(m, m) for n, m in enumerate(margin) if n != across]
    widths.insert(0, (max(-start, 0), max(end - depth, 0)))
    if outside is None:
        padded = np.pad(upright, widths, mode="edge")
    else:
        padded = np.pad(upright, widths, constant_values=outside)
    return np.moveaxis(padded, 0, across)
