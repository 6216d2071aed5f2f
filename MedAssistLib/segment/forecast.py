"""What a run will take of the machine's memory, before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.errors import ModelError, UsageError
from MedAssistLib.models import formats
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.plan import InferencePlan, PartedModel, TiledModel

# PyTorch, OpenVINO and what they keep for later: runs took that much more than their arrays.
_PROGRAMS = 600 * 10**6

Size = tuple[int, int, int]
Spacing = tuple[float, float, float]

# The networks that see a whole scan work on grids of a fixed size: 1.3 GB at most on a processor,
# as measured with deepbet's, and half as much again for other scans and cards.
_WHOLE_NETWORK = 2 * 10**9


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Bytes that a run takes at most, from sizes alone: a rule of thumb.

    Attributes:
        main: Of main memory, for a run on the processor.
        card: Of a graphics card's memory, for a run there.
    """

    main: int
    card: int


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The grid of a scan: voxels and mm along i, j, k, and the nine cosines of its axes."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    direction: tuple[float, ...]

    def __post_init__(self) -> None:
        whole = len(self.size) == len(self.spacing) == 3 and len(self.direction) == 9
        if not whole or min(self.size) < 1 or not all(0 < mm < math.inf for mm in self.spacing):
            raise UsageError("the size, spacing or direction is not that of a volume")

    @classmethod
    def of(cls, image: sitk.Image) -> Extent:
        """Return the extent of an image."""
        return cls(size=image.GetSize(), spacing=image.GetSpacing(), direction=image.GetDirection())

    def along(self, plan: InferencePlan) -> tuple[Size, Spacing]:
        """Return voxels and mm along the axes (k, j, i) of a model."""
        from MedAssistLib.segment.engine.prepare import turned_size

        single = sitk.Image([1, 1, 1], sitk.sitkUInt8)
        single.SetSpacing(self.spacing)
        single.SetDirection(self.direction)
        return turned_size(single, plan, self.size)


def forecast(card: ModelCard, extent: Extent, *, probabilities: bool = False) -> Forecast:
    """Return what a run of a model will take; of several networks in turn, the largest.

    Args:
        card: The model; its weights are not read.
        extent: The grid of the scan.
        probabilities: Whether the probabilities are wanted.

    Raises:
        ModelError: If torch or the model's files are missing.
    """
    if not (formats.is_tiled(card) or formats.is_parted(card)):
        return Forecast(main=_WHOLE_NETWORK, card=_WHOLE_NETWORK)
    try:
        model = formats.load(card, "cpu")
    except ImportError as error:
        hint = "In Slicer install the PyTorch extension; elsewhere: pip install torch"
        raise ModelError("PyTorch is not installed", hint=hint) from error
    needs = [_of_network(part, extent, probabilities) for part in _networks(model)]
    return Forecast(main=max(main for main, _ in needs), card=max(own for _, own in needs))


def _networks(model: object) -> Sequence[TiledModel]:
    """Return the networks that run one after the other."""
    if isinstance(model, PartedModel):
        return [part.model for part in model.parts]
    stages = []
    while isinstance(model, TiledModel):
        stages.append(model)
        model = model.previous
    return stages


def _of_network(model: TiledModel, extent: Extent, probabilities: bool) -> tuple[int, int]:
    """Return the bytes of main memory for a run on the processor, and of a graphics card."""
    from MedAssistLib.segment.engine.memory import estimate, first_settings
    from MedAssistLib.segment.engine.options import TiledOptions

    size, spacing = extent.along(model.plan)
    needs = []
    for device in ("cpu", "cuda"):
        settings = first_settings(model.plan, TiledOptions(device=device))
        members = len(model.members)
        found = estimate(
            size, spacing, model.plan, settings, members=members, probabilities=probabilities
        )
        needs.append(found.on(device, settings))
    return _PROGRAMS + needs[0], _PROGRAMS + needs[1]
