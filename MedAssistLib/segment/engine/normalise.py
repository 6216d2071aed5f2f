"""Intensities as a network's training had them, by nnU-Net's schemes and MONAI's."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from MedAssistLib.errors import InputError
from MedAssistLib.models.plan import Normalisation, Scheme

# nnU-Net's guard against division by zero.
_LEAST = 1e-8


def normalise(
    volume: torch.Tensor, how: Sequence[Normalisation], mask: torch.Tensor | None = None
) -> None:
    """Normalise the channels of a volume in place.

    Args:
        volume: float32 intensities, axes (channel, k, j, i).
        how: One entry a channel.
        mask: The non-zero region with its holes filled, axes (k, j, i); only used for z-scores
            within a mask.

    Raises:
        InputError: If a channel that must be a colour is not within 0 to 255.
    """
    for channel, first in zip(volume, how, strict=True):
        step: Normalisation | None = first
        while step is not None:
            _apply(channel, step, mask)
            step = step.then


def _apply(channel: torch.Tensor, plan: Normalisation, mask: torch.Tensor | None) -> None:
    match plan.scheme:
        case Scheme.NONE:
            pass
        case Scheme.Z_SCORE:
            _standardise(channel, mask if plan.within_mask else None)
        case Scheme.Z_SCORE_NONZERO:
            _standardise(channel, channel != 0)
        case Scheme.CT:
            channel.clamp_(plan.low, plan.high)
            channel.sub_(plan.mean).div_(max(plan.deviation, _LEAST))
        case Scheme.RESCALE:
            channel.sub_(channel.min())
            channel.div_(channel.max().clamp(min=_LEAST))
        case Scheme.RGB:
            _check_colour(channel)
            channel.div_(255.0)
        case Scheme.PET:
            channel.sub_(channel.min()).div_(channel.std().clamp(min=_LEAST)).sigmoid_()
        case Scheme.SIGMOID:
            channel.sigmoid_()
        case Scheme.TANH:
            channel.div_(3.0).tanh_().mul_(3.0)


def _standardise(channel: torch.Tensor, mask: torch.Tensor | None) -> None:
    if mask is None:
        inside = channel
    else:
        inside = channel[mask]
        if not len(inside):
            return
    deviation, mean = torch.std_mean(inside, correction=0)
    standard = (inside - mean).div_(deviation.clamp(min=_LEAST))
    if mask is None:
        channel.copy_(standard)
    else:
        channel[mask] = standard


def _check_colour(channel: torch.Tensor) -> None:
    low, high = float(channel.min()), float(channel.max())
    if low < 0.0 or high > 255.0:
        hint = "Give the image that the model was made for"
        what = f"has values from {low:g} to {high:g}, but the model needs colours from 0 to 255"
        raise InputError(what, hint=hint)
