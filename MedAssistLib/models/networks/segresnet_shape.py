"""The shape of MONAI's SegResNet and SegResNetDS, from the arguments that their classes take.

Names of layers are looked up in a table and never imported: a description is data from a
stranger's file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from MedAssistLib.errors import ModelError

Scale = tuple[int, int, int]

CHANNELS = ("in_channels", "out_channels")
"""The arguments that give the numbers of channels."""

_MOST_LEVELS, _MOST_BLOCKS = 12, 64
TWICE: Scale = (2, 2, 2)
_NORMS: Mapping[str, Callable[..., nn.Module]] = {
    "instance": nn.InstanceNorm3d,
    # NVIDIA's faster program for the same.
    "instance_nvfuser": nn.InstanceNorm3d,
    "batch": nn.BatchNorm3d,
    "group": nn.GroupNorm,
}
_ACTIVATIONS: Mapping[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "mish": nn.Mish,
    "prelu": nn.PReLU,
}
_INPLACE = frozenset({"relu", "leakyrelu", "elu", "mish"})
_UPSAMPLINGS = ("deconv", "nontrainable")


@dataclass(frozen=True, kw_only=True)
class SegResNetShape:
    """The shape of a SegResNet; lists go from the full resolution down unless they say otherwise.

    Attributes:
        inputs: Channels given.
        outputs: Channels returned.
        features: Channels of the first level; each next one has twice as many.
        down: Residual blocks of each level of the encoder.
        up: Residual blocks of each level of the decoder, from the bottom up.
        norm: Makes a normalisation of so many channels.
        activation: Makes an activation.
        upsampling: ``"deconv"`` for transposed convolutions, ``"nontrainable"`` for linear
            interpolation.
        scales: For SegResNetDS, how much each level shrinks on its way to the next, by axis.
        heads: For SegResNetDS, how many levels of the decoder have outputs of their own.
    """

    inputs: int
    outputs: int
    features: int
    down: tuple[int, ...]
    up: tuple[int, ...]
    norm: Callable[[int], nn.Module]
    activation: Callable[[], nn.Module]
    upsampling: str
    scales: tuple[Scale, ...] = ()
    heads: int = 1

    @property
    def factors(self) -> Scale:
        """What the size of a patch must be a multiple of, by axis."""
        k, j, i = (math.prod(scale[axis] for scale in self.scales[:-1]) for axis in range(3))
        return k, j, i


def segresnet_shape(
    kind: str, arguments: Mapping[str, Any], *, inputs: int, outputs: int
) -> SegResNetShape:
    """Read the arguments that MONAI's class takes.

    Args:
        kind: ``"SegResNet"`` or ``"SegResNetDS"``.
        arguments: By MONAI's names; what is left out has MONAI's default.
        inputs: Channels given.
        outputs: Channels returned.

    Raises:
        ModelError: If something is not known here.
        ValueError, TypeError, KeyError: If something makes no sense.
    """
    supervised = kind == "SegResNetDS"
    given = dict(arguments)
    _require_three_axes(given, inputs, outputs)
    down = _counts(given.pop("blocks_down", (1, 2, 2, 4)))
    up = given.pop("blocks_up", None if supervised else (1, 1, 1))
    up = (1,) * (len(down) - 1) if up is None else _counts(up)
    if len(up) != len(down) - 1:
        raise ValueError(f"{len(down)} levels down and {len(up)} up")
    upsampling = str(given.pop("upsample_mode", "deconv" if supervised else "nontrainable"))
    if upsampling not in _UPSAMPLINGS:
        raise ModelError(f'its network has the unknown upsampling "{upsampling}"')
    shape = SegResNetShape(
        inputs=inputs,
        outputs=outputs,
        features=_count(given.pop("init_filters", 32 if supervised else 8), 4096),
        down=down,
        up=up,
        norm=_norm(
            given.pop("norm", "batch" if supervised else ("group", {"num_groups": 8})), kind
        ),
        activation=_activation(given.pop("act", "relu")),
        upsampling=upsampling,
        scales=_scales(given.pop("resolution", None) if supervised else None, len(down)),
        heads=max(int(given.pop("dsdepth", 1)), 1) if supervised else 1,
    )
    if not supervised:
        given.pop("dropout_prob", None)  # It does nothing after the training.
    if given.pop("preprocess", None) is not None or given:
        unknown = next(iter(given), "preprocess")
        raise ModelError(f'its network has the unknown setting "{unknown}"')
    return shape


def _require_three_axes(given: dict[str, Any], inputs: int, outputs: int) -> None:
    """Take what is known already out of the arguments."""
    if given.pop("spatial_dims", 3) != 3:
        raise ModelError("its network is not three-dimensional")
    for name, count in zip(CHANNELS, (inputs, outputs), strict=True):
        if int(given.pop(name, count)) != count:
            raise ValueError(f"{name} is not {count}")


def _scales(resolution: Any, levels: int) -> tuple[Scale, ...]:
    """Return how much each level shrinks: the finest axes first, until all are as coarse."""
    if resolution is None:
        return (TWICE,) * levels
    lengths = [float(length) for length in resolution]
    if len(lengths) != 3 or not all(0 < length < math.inf for length in lengths):
        raise ValueError(f"the resolution {resolution}")
    later = [int(math.log2(max(lengths) / length)) for length in lengths]
    deepest = max(later)
    scales = []
    for level in range(levels):
        # A coarse axis waits until the finest has come down to it.
        k, j, i = (1 if level < deepest and 2**level >= 2**steps else 2 for steps in later)
        scales.append((k, j, i))
    return tuple(scales)


def _norm(value: Any, kind: str) -> Callable[[int], nn.Module]:
    name, settings = _named_settings(value)
    if name not in _NORMS:
        raise ModelError(f'its network has the unknown normalisation "{name}"')
    if kind == "SegResNetDS" and name != "group":
        settings = {"affine": True, **settings}
    return partial(_NORMS[name], **settings) if name != "group" else partial(_group, **settings)


def _group(width: int, *, num_groups: int, **settings: Any) -> nn.Module:
    return nn.GroupNorm(num_groups, width, **settings)


def _activation(value: Any) -> Callable[[], nn.Module]:
    name, settings = _named_settings(value)
    if name not in _ACTIVATIONS:
        raise ModelError(f'its network has the unknown activation "{name}"')
    if name in _INPLACE:
        settings = {**settings, "inplace": True}
    return partial(_ACTIVATIONS[name], **settings)


def _named_settings(value: Any) -> tuple[str, dict[str, Any]]:
    name, settings = (value, {}) if isinstance(value, str) else value
    if not isinstance(name, str) or not isinstance(settings, dict):
        raise TypeError(f"the layer {value}")
    return name.lower(), settings


def _counts(value: Any) -> tuple[int, ...]:
    counts = tuple(_count(entry, _MOST_BLOCKS) for entry in value)
    if not 1 <= len(counts) <= _MOST_LEVELS:
        raise ValueError(f"{len(counts)} levels")
    return counts


def _count(value: Any, most: int) -> int:
    count = int(value)
    if not 1 <= count <= most:
        raise ValueError(f"a count of {count}")
    return count
