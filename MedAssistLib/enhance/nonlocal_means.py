"""Non-local means, tile by tile: on the processor with numpy, on a graphics card with torch.

Every voxel becomes the mean of those around it whose surroundings look alike (Buades, Coll and
Morel 2005, doi:10.1109/CVPR.2005.38). The distance of two patches is measured against the noise
(Coupé et al. 2008, doi:10.1109/TMI.2007.906087); magnitude MR is averaged as squares, without their
Rician bias (Wiest-Daesslé et al. 2008, doi:10.1007/978-3-540-85990-1_21).
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from MedAssistLib.enhance.blocks import keep_memory
from MedAssistLib.enhance.graphics_card import best_device
from MedAssistLib.progress import Progress

Array = npt.NDArray[np.float32]
Radius = tuple[int, int, int]
Box = Sequence[tuple[int, int]]

# A tile's dozen arrays stay near a processor, or within some hundred MB of a card's memory.
_TILE_VOXELS = {"cpu": 1 << 17, "cuda": 1 << 23}
# From here on, in lengths of the core, there is more between the two than both share.
_FAR = 1.5
# Numbers too small for a float's exponent are slow; a voxel that is like no other outweighs them.
_MOST_APART, _OWN_EXPONENT = 60.0, -40.0


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What makes two voxels alike.

    Attributes:
        noise: Standard deviation of the noise, in the volume's unit, above 0.
        strength: How different two patches may be, in standard deviations of the noise.
        search: How far alike voxels are looked for, in voxels along (k, j, i).
        patch: Half the side of the patches, in voxels along (k, j, i).
        rician: Whether the noise is that of magnitude MR.
    """

    noise: float
    strength: float
    search: Radius
    patch: Radius
    rician: bool

    @property
    def margin(self) -> list[int]:
        """How many voxels around one it depends on, along (k, j, i)."""
        return [s + p for s, p in zip(self.search, self.patch, strict=True)]

    def turned(self, order: npt.NDArray[np.intp]) -> Likeness:
        """Return the same for a volume whose axes stand in another order."""
        search, patch = ([radius[axis] for axis in order] for radius in (self.search, self.patch))
        return replace(
            self,
            search=(search[0], search[1], search[2]),
            patch=(patch[0], patch[1], patch[2]),
        )

    @property
    def pairs(self) -> int:
        """How many others each voxel is compared with."""
        return math.prod(2 * s + 1 for s in self.search)

    @property
    def scale(self) -> float:
        """What values are multiplied by, so that patches' squared differences are exponents."""
        return 1.0 / (
            self.strength * self.noise * math.sqrt(math.prod(2 * p + 1 for p in self.patch))
        )


def nonlocal_means(
    values: Array,
    likeness: Likeness,
    progress: Progress,
    keep: Box | None = None,
    device: str | None = None,
) -> Array:
    """Denoise a volume.

    Args:
        values: The volume, axes (k, j, i).
        likeness: What makes two voxels alike.
        progress: Told after every tile; looked at after every shift.
        keep: First index and the one after the last, along each axis, of the part that is wanted;
            ``None`` for all of it.
        device: ``"cpu"`` or ``"cuda"``; ``None`` for the best.

    Returns:
        The denoised part, axes (k, j, i).

    Raises:
        CancelledError: If the user asked to stop.
    """
    wanted = keep or [(0, n) for n in values.shape]
    result = np.empty([stop - start for start, stop in wanted], dtype=np.float32)
    device = device or best_device(likeness.pairs * result.size)
    threads = (os.cpu_count() or 1) if device == "cpu" else 1
    # Two for each thread at least, so that all end at about the same time.
    tiles = list(_tiles(wanted, min(_TILE_VOXELS[device], -(-result.size // (2 * threads)))))
    # The thin axis of a slab outermost, so that rows are long.
    order = np.argsort(result.shape, kind="stable")
    turned = likeness.turned(order)
    keep_memory()

    def work(tile: Box) -> None:
        progress.check()
        rows = [
            _mirrored(start - pad, stop + pad, size)
            for (start, stop), pad, size in zip(tile, likeness.margin, values.shape, strict=True)
        ]
        block = np.ascontiguousarray(values[np.ix_(*rows)].transpose(order))
        place = tuple(
            slice(start - first, stop - first)
            for (start, stop), (first, _) in zip(tile, wanted, strict=True)
        )
        if device == "cpu":
            means = _block_means(block, turned, progress, np)
        else:
            import torch

            on_card = torch.from_numpy(block).to(device)
            means = _block_means(on_card, turned, progress, torch).cpu().numpy()
        result[place] = means.transpose(np.argsort(order))

    pool = ThreadPoolExecutor(threads)
    try:
        for number, done in enumerate(as_completed([pool.submit(work, tile) for tile in tiles])):
            done.result()
            progress.update((number + 1) / len(tiles))
    finally:
        pool.shutdown(cancel_futures=True)
    return result


def _block_means(block: Any, likeness: Likeness, progress: Progress, xp: Any) -> Any:
    """Return the means of a block without its margin.

    All is done on the voxels in a row, where each shift is one distance: whole rows are quicker
    than boxes, and what comes about at their ends is left out in the end.

    Args:
        block: The values with a margin, axes (k, j, i), contiguous.
        likeness: What makes two voxels alike.
        progress: Looked at for cancellation.
        xp: The block's library: numpy or torch.
    """
    strides = (block.shape[1] * block.shape[2], block.shape[2], 1)

    def distance(shift: Sequence[int]) -> int:
        return sum(d * stride for d, stride in zip(shift, strides, strict=True))

    margin = likeness.margin
    core = tuple(slice(m, n - m) for m, n in zip(margin, block.shape, strict=True))
    first, around = distance(margin), distance(likeness.patch)
    length = distance([n - 1 - m for n, m in zip(block.shape, margin, strict=True)]) - first + 1
    values = block.reshape(-1)
    scaled = values * likeness.scale
    averaged = values * values if likeness.rician else values
    own, most = averaged[first : first + length], xp.full_like(values, _MOST_APART)
    total, weights, heaviest, product = (xp.zeros_like(own) for _ in range(4))

    def weigh(begin: int, count: int, apart: int) -> Any:
        """Return the weights of pairs of voxels that lie so far apart, from one on."""
        start, stop = begin - around, begin + count + around
        squares = scaled[start:stop] - scaled[start + apart : stop + apart]
        squares *= squares
        weight = _patch_sum(squares, likeness.patch, strides)
        xp.minimum(weight, most[: len(weight)], out=weight)
        xp.negative(weight, out=weight)
        return xp.exp(weight, out=weight)

    for shift in _half_of_the_shifts(likeness.search):
        progress.check()
        # One weight serves both voxels of a pair: the core's, and the one that lies a shift before.
        apart = distance(shift)
        if apart < _FAR * length:
            both = weigh(first - apart, length + apart, apart)
            ahead, behind = both[apart:], both[:length]
        else:
            ahead, behind = (weigh(begin, length, apart) for begin in (first, first - apart))
        for one, start in ((ahead, first + apart), (behind, first - apart)):
            xp.multiply(one, averaged[start : start + length], out=product)
            total += product
            weights += one
            xp.maximum(heaviest, one, out=heaviest)
    # A voxel is as like itself as its best twin (Buades).
    heaviest = xp.clip(heaviest, math.exp(_OWN_EXPONENT), None)
    total += heaviest * own
    weights += heaviest
    total /= weights
    if likeness.rician:
        total = xp.sqrt(xp.clip(total - 2.0 * likeness.noise**2, 0.0, None))
    means = xp.zeros_like(values)
    means[first : first + length] = total
    return means.reshape(block.shape)[core]


def _patch_sum(values: Any, radius: Radius, strides: Radius) -> Any:
    """Return the sums over patches of values in a row, without what has not all of its patch."""
    for r, stride in zip(radius, strides, strict=True):
        if r == 0:
            continue
        length = len(values) - 2 * r * stride
        summed = values[:length] + values[stride : stride + length]
        for first in range(2 * stride, (2 * r + 1) * stride, stride):
            summed += values[first : first + length]
        values = summed
    return values


def _half_of_the_shifts(search: Radius) -> Iterator[tuple[int, int, int]]:
    """Give one of each two opposite shifts, without none at all."""
    along = [range(-s, s + 1) for s in search]
    for shift in itertools.product(along[0], along[1], along[2]):
        if shift > (0, 0, 0):
            yield shift


def _tiles(wanted: Box, voxels: int) -> Iterator[Box]:
    """Cut a box into about cubic tiles of at most ``voxels``."""
    sides = [stop - start for start, stop in wanted]
    tile = list(sides)
    while int(np.prod(tile)) > voxels:
        axis = int(np.argmax(tile))
        tile[axis] = -(-tile[axis] // 2)
    steps = [
        [(first, min(first + step, stop)) for first in range(start, stop, step)]
        for (start, stop), step in zip(wanted, tile, strict=True)
    ]
    yield from itertools.product(*steps)


def _mirrored(start: int, stop: int, size: int) -> npt.NDArray[np.int64]:
    """Return the indices from ``start`` to ``stop``, mirrored into an axis of ``size`` voxels."""
    period = max(2 * (size - 1), 1)
    inside: npt.NDArray[np.int64] = np.arange(start, stop) % period
    return np.minimum(inside, period - inside) if size > 1 else np.zeros_like(inside)
