"""The plan that suits the data and the machine.

The rules for grid, patch and stages follow nnU-Net (Isensee et al. 2021,
doi:10.1038/s41592-020-01008-z): the median spacing, patches as large as the memory allows, stages
until the coarsest is a few voxels wide, no mixing across axes that are much coarser than others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from MedAssistLib.models.plan import Normalisation, Scheme
from MedAssistLib.train.augment import Augmentation, Intensity, Size, Spatial
from MedAssistLib.train.dataset import Structures
from MedAssistLib.train.fingerprint import ChannelStatistics, Fingerprint
from MedAssistLib.train.plan import TrainPlan
from MedAssistLib.train.sides import are_sided

# Above this ratio of spacings, an axis is coarse.
_ANISOTROPIC = 3.0
# Scans whose content fills less of them than this are cropped to it, as in nnU-Net.
_FULL = 0.75
# The coarsest stage is at least so wide.
_NARROWEST = 4
_MOST_STAGES = 6
# After turning, axis i points to the right.
_ALONG_I = 2
# How often an MR is given uneven light.
_BIAS = 0.1
# Angles about the axes, in degrees; about the coarse axis alone where there is one.
_TURN, _TURN_COARSE = 30.0, 180.0


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a machine has room for.

    Attributes:
        voxels: Of all patches of a batch.
        features: Channels of the first stage.
        most_features: Channels of any stage.
        batch: Most patches of a batch.
    """

    voxels: int
    features: int
    most_features: int
    batch: int


def room_of(kind: str, memory: int) -> Room:
    """Return what a device has room for.

    Args:
        kind: Such as ``"cpu"`` or ``"cuda"``.
        memory: Its free bytes.
    """
    if kind == "cpu":
        # Not the memory but the time is short: a network that learns much from few steps.
        return Room(voxels=400_000, features=16, most_features=128, batch=4)
    # nnU-Net's share: two patches of 128³ voxels at 32 features on 8 GB.
    voxels = int(2 * 128**3 * min(memory / 8e9, 3.0))
    return Room(voxels=max(voxels, 64**3), features=32, most_features=320, batch=16)


def make_plan(found: Fingerprint, modality: str, structures: Structures, room: Room) -> TrainPlan:
    """Make the plan of a training; scans are turned so that their axes i, j, k point to R, A, S.

    Args:
        found: The training set in numbers.
        modality: DICOM modality of the scans; empty if not known.
        structures: What is to be learned.
        room: What the machine has room for.
    """
    spacing = _target(found)
    extent = [along.median for along in found.extent][::-1]
    size = [max(round(mm / step), 1) for mm, step in zip(extent, spacing, strict=True)]
    cropped = _is_mostly_empty(found)
    normalisation = [
        _normalisation(channel, modality, within=cropped) for channel in found.channels
    ]
    room_for = _patch(size, spacing, room)
    strides, kernels = _stages(room_for, spacing)
    patch = _multiple(room_for, strides)
    stages = len(strides)
    features = [min(room.features * 2**stage, room.most_features) for stage in range(stages)]
    arguments = {
        "n_stages": stages,
        "features_per_stage": features,
        "conv_op": "torch.nn.Conv3d",
        "kernel_sizes": kernels,
        "strides": strides,
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return TrainPlan(
        orientation="RAS",
        spacing=_triple(spacing),
        crop_to_nonzero=cropped,
        normalisation=tuple(normalisation),
        network="PlainConvUNet",
        arguments=arguments,
        patch=patch,
        batch=max(2, min(room.batch, room.voxels // math.prod(patch))),
        foreground=0.33,
        augmentation=_augmentation(spacing, modality, sided=are_sided(structures.names)),
        learning_rate=2e-2,
        other_rate=3e-3,
        weight_decay=1e-2,
        mean_weights=0.999,
        supervised=max(1, min(3, stages - 1)),
        steps=100 if room.batch <= 4 else 250,
        epochs=100 if room.batch <= 4 else 400,
    )


def _target(found: Fingerprint) -> list[float]:
    """Return the spacing of the network's grid, mm along (k, j, i): the median.

    Along an axis that is much coarser than the others, finer scans are not thinned out to it.
    """
    medians = [along.median for along in found.spacing]
    coarsest = max(range(3), key=lambda axis: medians[axis])
    if medians[coarsest] > _ANISOTROPIC * min(medians):
        others = max(step for axis, step in enumerate(medians) if axis != coarsest)
        medians[coarsest] = max(found.spacing[coarsest].percentile_10, others)
    return medians[::-1]


def _is_mostly_empty(found: Fingerprint) -> bool:
    """Tell whether much of a usual scan is exactly 0, as where the skull was removed."""
    whole = math.prod(along.median for along in found.size)
    return math.prod(along.median for along in found.content) < _FULL * whole


def _normalisation(channel: ChannelStatistics, modality: str, *, within: bool) -> Normalisation:
    if modality == "CT":
        return Normalisation(
            scheme=Scheme.CT,
            low=channel.percentile_00_5,
            high=channel.percentile_99_5,
            mean=channel.mean,
            deviation=channel.standard_deviation,
        )
    return Normalisation(scheme=Scheme.Z_SCORE, within_mask=within)


def _patch(size: Sequence[int], spacing: Sequence[float], room: Room) -> list[int]:
    """Return the whole of a usual case, or as much of it as two patches have room for."""
    # A network needs two stages at least.
    least = _NARROWEST if max(size) >= 2 * _NARROWEST else 2 * _NARROWEST
    patch = [max(int(n), least) for n in size]
    most = room.voxels // 2
    while math.prod(patch) > most:
        # What is longest in mm gives way, as long as it is not thin already.
        widest = max(range(3), key=lambda a: (patch[a] > _NARROWEST, patch[a] * spacing[a]))
        shorter = max(int(patch[widest] * 0.9), _NARROWEST)
        if shorter == patch[widest]:
            break
        patch[widest] = shorter
    return patch


def _stages(
    patch: Sequence[int], spacing: Sequence[float]
) -> tuple[list[list[int]], list[list[int]]]:
    """Return stride and kernel of each stage: coarse axes wait until the others are as coarse."""
    strides, kernels = [[1, 1, 1]], []
    width, step = [float(n) for n in patch], list(spacing)
    while True:
        finest = min(step)
        kernels.append([1 if here > 2 * finest else 3 for here in step])
        pooled = [
            axis for axis in range(3) if width[axis] / 2 >= _NARROWEST and step[axis] <= 2 * finest
        ]
        if not pooled or len(strides) == _MOST_STAGES:
            return strides, kernels
        strides.append([2 if axis in pooled else 1 for axis in range(3)])
        for axis in pooled:
            width[axis], step[axis] = width[axis] / 2, step[axis] * 2


def _multiple(patch: Sequence[int], strides: Sequence[Sequence[int]]) -> Size:
    """Return the patch with every stage a whole number of voxels wide."""
    whole = map(math.prod, zip(*strides, strict=True))
    return _sizes([max(n // w, 1) * w for n, w in zip(patch, whole, strict=True)])


def _augmentation(spacing: Sequence[float], modality: str, *, sided: bool) -> Augmentation:
    coarsest = max(range(3), key=lambda axis: spacing[axis])
    angles = [_TURN] * 3
    if spacing[coarsest] > _ANISOTROPIC * min(spacing):
        angles = [_TURN_COARSE if axis == coarsest else 0.0 for axis in range(3)]
    k, j, i = angles
    mirror = () if sided else (_ALONG_I,)
    return Augmentation(
        spatial=Spatial(angles=(k, j, i), mirror=mirror),
        intensity=Intensity(chance_bias=_BIAS if modality == "MR" else 0.0),
    )


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    k, j, i = (float(value) for value in values)
    return k, j, i


def _sizes(values: Sequence[int]) -> Size:
    k, j, i = (int(value) for value in values)
    return k, j, i
