"""How much memory a run takes, and what to do with less."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from MedAssistLib.errors import ResourceError
from MedAssistLib.models.plan import InferencePlan
from MedAssistLib.segment.engine.options import TiledOptions
from MedAssistLib.segment.engine.prepare import Size, Spacing, model_spacing
from MedAssistLib.segment.engine.resample import new_size
from MedAssistLib.segment.engine.tiles import tile, usual_batch

# Floats that a usual U-Net keeps at once for a voxel of the patch: 32 features at full size, held
# for the skip, joined and convolved, and half as much again for the levels below.
_FLOATS_A_VOXEL = 250
# A network of 31 million parameters, which is what nnU-Net's plans end up with.
_WEIGHTS = 125 * 10**6


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the ladder turns.

    Attributes:
        device: Torch device of the network.
        keep: Torch device of the scan and the sums of scores.
        batch: Tiles to run at once.
        half: Sums of scores in float16.
    """

    device: str
    keep: str
    batch: int
    half: bool = False


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes that a run takes at most, from sizes alone; the network's part is a rule of thumb.

    Attributes:
        network: Weights and features, on the network's device.
        scan: The scan before and after resampling, where it is kept.
        scores: The sums of scores, where they are kept.
        labels: The result, in RAM.
    """

    network: int
    scan: int
    scores: int
    labels: int

    def on(self, device: str, settings: Settings) -> int:
        """Return the bytes on one device: ``"cpu"`` for RAM."""
        total = self.network if settings.device == device else 0
        total += self.scan + self.scores if settings.keep == device else 0
        return total + (self.labels if device == "cpu" else 0)

    def largest(self, settings: Settings) -> int:
        """Return the bytes on the device that takes most."""
        return max(self.on(device, settings) for device in {"cpu", settings.device})


def first_settings(plan: InferencePlan, options: TiledOptions) -> Settings:
    """Return how a run starts where memory is no matter."""
    batch = options.batch or usual_batch(plan.patch, options.device)
    return Settings(device=options.device, keep=options.device, batch=batch)


def ladder(settings: Settings) -> Iterator[tuple[str, Settings]]:
    """Yield what to try next, and in words, each time that memory does not suffice."""
    while settings.batch > 1:
        settings = replace(settings, batch=settings.batch // 2)
        yield f"{settings.batch} tiles at once" if settings.batch > 1 else "one tile", settings
    settings = replace(settings, half=True)
    yield "sums of scores in half precision", settings
    if settings.keep != "cpu":
        settings = replace(settings, keep="cpu")
        yield "scan and scores in main memory", settings
    if settings.device != "cpu":
        yield "everything on the processor", replace(settings, device="cpu", keep="cpu")


def estimate(  # noqa: PLR0913
    size: Size,
    spacing: Spacing,
    plan: InferencePlan,
    settings: Settings,
    *,
    members: int = 1,
    probabilities: bool = False,
) -> Estimate:
    """Return how much memory a run will take at most.

    Args:
        size: Voxels of the scan along the axes of the model.
        spacing: mm along them.
        plan: The model's.
        settings: How it is run.
        members: Networks of the ensemble, all loaded at once.
        probabilities: Whether the probabilities are wanted.
    """
    wanted = model_spacing(plan, spacing)
    grid = new_size(size, spacing, wanted, first_voxels=plan.data.first_voxels)
    tiling = tile(grid, plan, plan.window.step)
    channels = len(plan.normalisation) + len(plan.cascade)
    voxels, patch = math.prod(size), math.prod(plan.patch)
    wide = 2 if settings.half else 4
    slab = tiling.patch[0] * tiling.size[1] * tiling.size[2]
    # The sums, the rows that are handed on, and a tile's scores before and after weighing.
    scores = plan.outputs * (int(slab * wide * 1.5) + 2 * 4 * patch)
    labels = voxels * (1 if plan.outputs < 256 else 2)
    if probabilities:
        scores += 4 * plan.outputs * math.prod(grid)
        labels += 4 * plan.outputs * voxels
    features = 4 * _FLOATS_A_VOXEL * patch + 4 * plan.outputs * patch
    return Estimate(
        network=members * _WEIGHTS + settings.batch * features,
        scan=4 * channels * (2 * voxels + math.prod(grid)),
        scores=scores,
        labels=labels,
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory did not suffice, on any kind of device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def out_of_memory(steps: Sequence[str]) -> ResourceError:
    """Return the error for a run that no rung of the ladder could save."""
    tried = f" (tried: {', '.join(steps)})" if steps else ""
    hint = "Close other programs, crop the scan, or choose a model of lower resolution"
    return ResourceError(f"there is not enough memory for the model{tried}", hint=hint)


def free(device: str) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device.startswith("mps"):
        torch.mps.empty_cache()
