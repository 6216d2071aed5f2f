"""Where the tiles lie, what the network says about each, and how much each voxel of one counts."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from MedAssistLib.errors import ModelError
from MedAssistLib.models.plan import Blend, InferencePlan, Network

Start = tuple[int, int, int]

# The Gaussian of nnU-Net and MONAI: its width as a share of the patch.
_SIGMA = 1 / 8
# No voxel of a patch counts less than this in MONAI.
_LEAST_MONAI = 1e-3
# What one batch may hold: the voxels of a usual 3-D patch, or of as many 2-D ones.
_BATCH_VOXELS = {"cpu": 64 * 64 * 64, "gpu": 2 * 128 * 128 * 128}


@dataclass(frozen=True)
class Tiling:
    """Tiles over a volume.

    Attributes:
        patch: Voxels of a tile along (k, j, i); one slice thick for a 2-D network.
        before: Zeros added before the volume along each axis, so that a tile fits.
        size: Voxels of the volume with what was added.
        inner: Where the volume lies in that.
        starts: First voxel of each tile, in rising order along k.
        blend: How much each voxel of a tile counts.
        replicate: The volume goes on with its outermost values, and not with zeros.
    """

    patch: tuple[int, int, int]
    before: tuple[int, int, int]
    size: tuple[int, int, int]
    inner: tuple[slice, slice, slice]
    starts: tuple[Start, ...]
    blend: Blend = Blend.NNUNET
    replicate: bool = False

    def pad(self, data: torch.Tensor) -> torch.Tensor:
        """Return (channel, k, j, i) data with values around it, or as it is if every tile fits."""
        old = data.shape[1:]
        if tuple(old) == self.size:
            return data
        sides = []
        for before, n, size in zip(self.before, old, self.size, strict=True):
            sides.append((before, size - n - before))
        flat = [n for side in reversed(sides) for n in side]
        return functional.pad(data, flat, mode="replicate" if self.replicate else "constant")


def fitted(plan: InferencePlan, size: Sequence[int]) -> InferencePlan:
    """Return the plan with a patch that is not much larger than the volume, if it allows that.

    Zeros around the volume would change the means that the network normalises by.

    Args:
        plan: The model's.
        size: Voxels of the volume along (k, j, i).
    """
    if not plan.multiple:
        return plan
    along = zip(size[-len(plan.patch) :], plan.patch, plan.multiple, strict=True)
    # One voxel alone at the coarsest stage could not be normalised.
    return replace(plan, patch=tuple(min(p, max(2, -(-n // m)) * m) for n, p, m in along))


def tile(size: Sequence[int], plan: InferencePlan, step: float) -> Tiling:
    """Lay tiles over a volume as nnU-Net does, or MONAI if the plan says so.

    Args:
        size: Voxels of the volume along (k, j, i).
        plan: The model's.
        step: Distance of two tiles as a share of the patch, in (0, 1].
    """
    k, j, i = (1, *plan.patch)[-3:]
    patch = (k, j, i)
    padded = [max(n, p) for n, p in zip(size, patch, strict=True)]
    before = [(n - old) // 2 for n, old in zip(padded, size, strict=True)]
    along = starts if plan.window.even else starts_by_step
    lines = [along(n, p, step) for n, p in zip(padded, patch, strict=True)]
    if plan.flat:
        lines[0] = list(range(padded[0]))
    inner = [slice(b, b + n) for b, n in zip(before, size, strict=True)]
    return Tiling(
        patch=patch,
        before=(before[0], before[1], before[2]),
        size=(padded[0], padded[1], padded[2]),
        inner=(inner[0], inner[1], inner[2]),
        starts=tuple(itertools.product(lines[0], lines[1], lines[2])),
        blend=plan.window.blend,
        replicate=plan.window.replicate,
    )


def starts(size: int, patch: int, step: float) -> list[int]:
    """Return where the tiles along one axis begin: evenly apart, by at most ``step`` patches."""
    count = math.ceil((size - patch) / (patch * step)) + 1
    apart = (size - patch) / max(count - 1, 1)
    return [round(apart * index) for index in range(count)]


def starts_by_step(size: int, patch: int, step: float) -> list[int]:
    """Return where the tiles along one axis begin: a step apart, but the last ends with it."""
    apart = max(1, int(patch * step))
    count = math.ceil((size - patch) / apart) + 1
    return [min(apart * index, size - patch) for index in range(count)]


def tile_weights(patch: Sequence[int], blend: Blend) -> torch.Tensor:
    """Return how much each voxel of a tile counts, float32; never zero."""
    match blend:
        case Blend.NNUNET:
            return gaussian(patch)
        case Blend.CONSTANT:
            return torch.ones(tuple(patch))
        case Blend.MONAI:
            total = torch.ones(())
            for n in patch:
                place = torch.arange(n) - (n - 1) / 2
                total = total[..., None] * torch.exp(-(place**2) / (2 * (n * _SIGMA) ** 2))
            return total.clamp(min=max(float(total.min()), _LEAST_MONAI))


def gaussian(patch: Sequence[int]) -> torch.Tensor:
    """Return how much each voxel of a tile counts, float32, 1 in the middle; never zero."""
    total = np.ones(())
    for n in patch:
        line = np.zeros(n)
        line[n // 2] = 1.0
        line = ndimage.gaussian_filter1d(line, n * _SIGMA, mode="constant")
        total = np.multiply.outer(total, line / line.max())
    total[total == 0] = total[total > 0].min()
    return torch.from_numpy(total.astype(np.float32))


def usual_batch(patch: Sequence[int], device: str) -> int:
    """Return how many tiles to run at once where memory is no matter."""
    room = _BATCH_VOXELS["cpu" if device == "cpu" else "gpu"]
    return max(1, room // math.prod(patch))


class Answers:
    """Runs networks over the tiles of a volume.

    Tiles that hold one and the same value in every voxel, as air does after clipping, get one and
    the same answer: the network sees such a tile once, which is exact.

    Args:
        networks: The ensemble; the mean of their scores counts, as in nnU-Net.
        plan: The model's.
        tiling: Where the tiles lie.
        mirror_axes: Spatial axes along which mirrored tiles are averaged too.
        device: Torch device of the networks.
        batch: Tiles to run at once.
        check: Called before each run of a network; it may raise to stop.
    """

    def __init__(  # noqa: PLR0913
        self,
        networks: Sequence[Network],
        plan: InferencePlan,
        tiling: Tiling,
        *,
        mirror_axes: Sequence[int],
        device: str,
        batch: int,
        check: Callable[[], None],
    ) -> None:
        self._networks, self._plan, self._tiling = networks, plan, tiling
        self._device, self._batch, self._check = device, batch, check
        self._mirrors = [
            [axis + 2 for axis in axes]
            for n in range(len(mirror_axes) + 1)
            for axes in itertools.combinations(mirror_axes, n)
        ]

    def over(self, data: torch.Tensor) -> Iterator[tuple[Start, torch.Tensor]]:
        """Yield each tile's start and its scores (output, k, j, i), in the order of the tiles.

        Raises:
            ModelError: If the network has another number of outputs than its plan says.
        """
        padded = self._tiling.pad(data)
        flat = [self._constant(padded, start) for start in self._tiling.starts]
        often = {value for value, count in Counter(flat).items() if value and count > 1}
        known: dict[tuple[float, ...], torch.Tensor] = {}
        waiting: list[Start] = []
        for start, value in zip(self._tiling.starts, flat, strict=True):
            if value in often:
                yield from self._run(padded, waiting)
                waiting = []
                if value not in known:
                    ((_, known[value]),) = self._run(padded, [start])
                yield start, known[value]
                continue
            waiting.append(start)
            if len(waiting) == self._batch:
                yield from self._run(padded, waiting)
                waiting = []
        yield from self._run(padded, waiting)

    def _cut(self, data: torch.Tensor, start: Start) -> torch.Tensor:
        k, j, i = (slice(s, s + p) for s, p in zip(start, self._tiling.patch, strict=True))
        return data[:, k, j, i]

    def _constant(self, data: torch.Tensor, start: Start) -> tuple[float, ...]:
        """Return the value of each channel of a tile, or nothing if it holds several."""
        corner = data[:, start[0], start[1], start[2]]
        part = self._cut(data, start)
        if bool((part == corner[:, None, None, None]).all()):
            return tuple(corner.tolist())
        return ()

    def _run(
        self, data: torch.Tensor, where: Sequence[Start]
    ) -> Iterator[tuple[Start, torch.Tensor]]:
        if not where:
            return
        patches = torch.stack([self._cut(data, start) for start in where])
        if self._plan.flat:
            patches = patches.squeeze(2)
        patches = patches.to(self._device)
        scores = self._mean(patches)
        if self._plan.flat:
            scores = scores.unsqueeze(2)
        yield from zip(where, scores, strict=True)

    def _mean(self, patches: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor | None = None
        for network, axes in itertools.product(self._networks, self._mirrors):
            self._check()
            scores = network(patches.flip(axes)).flip(axes) if axes else network(patches)
            if scores.shape[1] != self._plan.outputs:
                what = f"the network has {scores.shape[1]} outputs, its plan {self._plan.outputs}"
                raise ModelError(what, hint="Install or copy the model again")
            total = scores.float() if total is None else total + scores
        count = len(self._networks) * len(self._mirrors)
        if total is None:
            raise ModelError("the model has no network")
        return total / count if count > 1 else total
