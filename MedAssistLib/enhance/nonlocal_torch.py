"""Non-local means in torch, tile by tile, on the graphics card if there is one.

Every voxel becomes the mean of those around it whose surroundings look alike (Buades, Coll and
Morel 2005, doi:10.1109/CVPR.2005.38). The distance of two patches is measured against the noise
(Coupé et al. 2008, doi:10.1109/TMI.2007.906087); magnitude MR is averaged as squares, without their
Rician bias (Wiest-Daesslé et al. 2008, doi:10.1007/978-3-540-85990-1_21).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from MedAssistLib.progress import Progress

Array = npt.NDArray[np.float32]
Radius = tuple[int, int, int]
Box = Sequence[tuple[int, int]]

# A tile's dozen arrays stay in a processor's cache, or within some hundred MB of a card's memory.
_TILE_VOXELS = {"cpu": 1 << 18, "cuda": 1 << 23}
_LEAST_TILE_VOXELS = 1 << 14

# Numbers too small for a float's exponent are slow; a voxel that is like no other outweighs them.
_LOWEST_EXPONENT, _OWN_EXPONENT = -60.0, -40.0


def best_device() -> str:
    """Return where it runs fastest: ``"cuda"`` or ``"cpu"``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


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

    @property
    def exponent(self) -> float:
        """What a sum of squared differences over a patch is multiplied by for its weight."""
        voxels = float(np.prod([2 * p + 1 for p in self.patch]))
        return -1.0 / ((self.strength * self.noise) ** 2 * voxels)


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
    device = device or best_device()
    wanted = keep or [(0, n) for n in values.shape]
    result = np.empty([stop - start for start, stop in wanted], dtype=np.float32)
    # On a processor each thread has tiles of its own: torch's threads would meet at every step.
    threads = torch.get_num_threads() if device == "cpu" else 1
    most = (
        _TILE_VOXELS[device] if threads == 1 else min(_TILE_VOXELS[device], result.size // threads)
    )
    tiles = list(_tiles(wanted, max(most, _LEAST_TILE_VOXELS)))

    def work(tile: Box) -> None:
        progress.check()
        if device == "cpu":
            torch.set_num_threads(1)
        rows = [
            _mirrored(start - pad, stop + pad, size)
            for (start, stop), pad, size in zip(tile, likeness.margin, values.shape, strict=True)
        ]
        block = torch.from_numpy(values[np.ix_(*rows)]).to(device)
        place = tuple(
            slice(start - first, stop - first)
            for (start, stop), (first, _) in zip(tile, wanted, strict=True)
        )
        result[place] = _block_means(block, likeness, progress).cpu().numpy()

    pool = ThreadPoolExecutor(threads)
    try:
        for number, done in enumerate(as_completed([pool.submit(work, tile) for tile in tiles])):
            done.result()
            progress.update((number + 1) / len(tiles))
    finally:
        pool.shutdown(cancel_futures=True)
        # It was set for the pool's threads, but threads that start later would take it over.
        torch.set_num_threads(torch.get_num_threads())
    return result


def _block_means(block: torch.Tensor, likeness: Likeness, progress: Progress) -> torch.Tensor:
    """Return the means of a block without its margin."""
    margin, patch = likeness.margin, likeness.patch
    core = [n - 2 * m for n, m in zip(block.shape, margin, strict=True)]
    averaged = block * block if likeness.rician else block
    total, weights, heaviest = (torch.zeros(core, device=block.device) for _ in range(3))
    for shift in _half_of_the_shifts(likeness.search):
        progress.check()
        # One weight serves both voxels of a pair: the core's, and the one that lies a shift before.
        before = [max(d, 0) for d in shift]
        extent = [n + abs(d) for n, d in zip(core, shift, strict=True)]
        start = [m - b for m, b in zip(margin, before, strict=True)]
        here = _part(block, [s - p for s, p in zip(start, patch, strict=True)], extent, patch)
        there = _part(
            block, [s - p + d for s, p, d in zip(start, patch, shift, strict=True)], extent, patch
        )
        distance = _box_sum((here - there).square_(), patch).mul_(likeness.exponent)
        weight = distance.clamp_(min=_LOWEST_EXPONENT).exp_()
        for sign, first in ((1, before), (-1, [b - d for b, d in zip(before, shift, strict=True)])):
            one = _part(weight, first, core)
            other = _part(
                averaged, [m + sign * d for m, d in zip(margin, shift, strict=True)], core
            )
            total.addcmul_(one, other)
            weights.add_(one)
            torch.maximum(heaviest, one, out=heaviest)
    # A voxel is as like itself as its best twin (Buades).
    heaviest.clamp_(min=math.exp(_OWN_EXPONENT))
    total.addcmul_(heaviest, _part(averaged, margin, core))
    means = total.div_(weights.add_(heaviest))
    if not likeness.rician:
        return means
    return means.sub_(2.0 * likeness.noise**2).clamp_(min=0.0).sqrt_()


def _box_sum(values: torch.Tensor, radius: Radius) -> torch.Tensor:
    """Return the sums over boxes, without the margin of ``radius``."""
    for axis, r in enumerate(radius):
        length = values.shape[axis] - 2 * r
        if r == 0:
            continue
        summed = values.narrow(axis, 0, length) + values.narrow(axis, 1, length)
        for first in range(2, 2 * r + 1):
            summed += values.narrow(axis, first, length)
        values = summed
    return values


def _part(
    values: torch.Tensor, start: list[int], size: list[int], margin: Radius = (0, 0, 0)
) -> torch.Tensor:
    """Return a view of the box from ``start`` of ``size`` and twice the margin."""
    for axis in range(3):
        values = values.narrow(axis, start[axis], size[axis] + 2 * margin[axis])
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
