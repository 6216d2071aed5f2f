"""How a patch-wise network is run: what its training did to a scan, and must be done again.

Axes are (k, j, i) after :attr:`InferencePlan.transpose`, spacing in mm along them. The terms are
those of nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z); what is not said in a plan
is as in nnU-Net. MONAI (Cardoso et al. 2022, arXiv:2211.02701) does several things otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from MedAssistLib.errors import ModelError

if TYPE_CHECKING:
    import torch

_LARGEST_LABEL = 2**16 - 1


class Scheme(StrEnum):
    """How the intensities of a channel are normalised."""

    NONE = "none"
    Z_SCORE = "z-score"
    CT = "ct"
    RESCALE = "rescale-0-1"
    RGB = "rgb-0-1"
    Z_SCORE_NONZERO = "z-score-nonzero"
    PET = "pet"
    SIGMOID = "sigmoid"
    TANH = "tanh"


class Moment(StrEnum):
    """When the intensities are normalised."""

    WHOLE = "before cropping"
    CROPPED = "after cropping"
    RESAMPLED = "after resampling"


class Blend(StrEnum):
    """How much each voxel of a patch counts where patches overlap.

    Both bells are Gaussians of an eighth of the patch; MONAI's lies in the middle of the patch and
    never falls below a thousandth, nnU-Net's lies in the middle of a voxel.
    """

    NNUNET = "nnunet"
    MONAI = "monai"
    CONSTANT = "constant"


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """Normalisation of one channel.

    Attributes:
        scheme: How. Of those that nnU-Net does not have, ``Z_SCORE_NONZERO`` is over the voxels
            that are not zero and leaves those that are, ``PET`` is the logistic function of the
            distance from the least value in standard deviations, ``SIGMOID`` that of the value,
            and ``TANH`` presses it softly into -3 to 3.
        within_mask: For z-scores: over the non-zero region only, zero elsewhere.
        low: For CT: intensities are clipped from below here (training's 0.5 percentile).
        high: For CT: and from above here (99.5 percentile).
        mean: For CT: subtracted (training's foreground).
        deviation: For CT: divided by.
        then: What is done to the result.
    """

    scheme: Scheme
    within_mask: bool = False
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0
    then: Normalisation | None = None


@dataclass(frozen=True, kw_only=True)
class Foreground:
    """Which part of a scan the network sees: the box around the bright voxels.

    Attributes:
        above: Voxels above this intensity, as the scan has it, are bright.
        margin: Voxels around the box that are seen too, as far as the scan goes.
        first_only: Whether only the first channel counts, or any.
    """

    above: float
    margin: int
    first_only: bool


@dataclass(frozen=True, kw_only=True)
class Window:
    """Where the patches lie over a scan, and how their answers are blended.

    Attributes:
        step: Distance of two patches as a share of the patch, in (0, 1].
        even: Spread evenly, by at most the step; otherwise always by the step, and the last one
            is moved back to end with the scan.
        blend: How much each voxel of a patch counts.
        replicate: A scan smaller than a patch goes on with its outermost values, and not with
            zeros.
    """

    step: float = 0.5
    even: bool = True
    blend: Blend = Blend.NNUNET
    replicate: bool = False


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """Interpolation between the scan's grid and the plan's.

    Attributes:
        order: Spline order along all axes, or within the plane if ``k`` is taken apart.
        order_apart: Spline order along the coarse axis when it is taken apart.
        apart: Take the coarsest axis apart; ``None`` to decide by anisotropy (ratio above 3).
        first_voxels: Both grids begin at the middle of their first voxels, as in MONAI, and no
            axis is taken apart; otherwise both cover the same extent.
    """

    order: int
    order_apart: int = 0
    apart: bool | None = None
    first_voxels: bool = False


@dataclass(frozen=True, kw_only=True)
class InferencePlan:
    """How to run a patch-wise network.

    Attributes:
        orientation: Directions of i, j, k that the training data had, such as ``"RAS"``; empty to
            take the scan as it is stored.
        transpose: Order of the axes (k, j, i) that the network sees.
        spacing: mm along the transposed axes; two values for a 2-D network; empty for none.
        patch: Voxels of a patch along the transposed axes; two values for a 2-D network.
        normalisation: One entry a channel.
        crop_to_nonzero: Whether training cropped to the box of the non-zero voxels.
        data: Resampling of the scan.
        scores: Resampling of the network's scores back to the scan.
        mirror_axes: Spatial axes along which the answers of mirrored patches may be averaged.
        outputs: Channels of the network's answer, background included unless regions are used.
        regions: For region-based models, the label that each output channel paints, in painting
            order; empty when the outputs exclude each other.
        cascade: Labels that the previous stage gives as extra one-hot channels; empty without.
        foreground: Training cropped to the bright voxels; ``None`` if it did not.
        moment: When the intensities are normalised.
        kept_spacing: For each axis, the least and greatest spacing of a scan that is left as it
            is; empty to resample every scan.
        window: Where the patches lie.
        likelihoods: Bring probabilities back to the scan, not scores.
        multiple: Voxels along the transposed axes that become one at the network's coarsest stage:
            in a scan that is smaller than a patch, the patch shrinks to a multiple of them; empty
            to add zeros until a patch fits.
        mirrored: Mirrored patches are always averaged, because the accuracy was measured so.
    """

    orientation: str
    transpose: tuple[int, int, int]
    spacing: tuple[float, ...]
    patch: tuple[int, ...]
    normalisation: tuple[Normalisation, ...]
    crop_to_nonzero: bool
    data: Resampling
    scores: Resampling
    mirror_axes: tuple[int, ...]
    outputs: int
    regions: tuple[int, ...] = ()
    cascade: tuple[int, ...] = ()
    foreground: Foreground | None = None
    moment: Moment = Moment.CROPPED
    kept_spacing: tuple[tuple[float, float], ...] = ()
    window: Window = Window()
    likelihoods: bool = False
    multiple: tuple[int, ...] = ()
    mirrored: bool = False

    def __post_init__(self) -> None:
        if max((self.outputs - 1, *self.regions)) > _LARGEST_LABEL:
            raise ModelError(f"it has labels above {_LARGEST_LABEL}, which no file here can hold")
        if len(self.patch) not in (2, 3) or sorted(self.transpose) != [0, 1, 2]:
            raise ModelError(f"the plan has patch {self.patch} and axes {self.transpose}")

    @property
    def flat(self) -> bool:
        """Whether the network is 2-D and sees slice after slice."""
        return len(self.patch) == 2


# Takes a batch of patches (batch, channel, *patch), returns scores (batch, output, *patch).
Network = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class TiledModel:
    """A patch-wise model, ready to run.

    Attributes:
        plan: How it is run.
        members: Loads each network of the ensemble (folds) on a device, afresh for every run.
        previous: The stage before it in a cascade.
    """

    plan: InferencePlan
    members: tuple[Callable[[str], Network], ...]
    previous: TiledModel | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the networks of a :class:`PartedModel`.

    Attributes:
        name: What it segments, in a word.
        model: The network with its plan.
        labels: The label in the whole of each label of its own; those that are not here are
            dropped.
    """

    name: str
    model: TiledModel
    labels: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class PartedModel:
    """A model that was trained in parts, each of which knows some of the structures.

    Attributes:
        parts: In the order in which they run; a later one paints over an earlier one.
    """

    parts: tuple[Part, ...]
