"""Tiny patch-wise models with random weights, and the scans that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn

from MedAssistLib.case import Scan
from MedAssistLib.models.plan import (
    InferencePlan,
    Normalisation,
    Resampling,
    Scheme,
    TiledModel,
)

PATCH = (8, 12, 10)


def network(
    channels: int = 1, outputs: int = 3, dimensions: int = 3, seed: int = 0
) -> nn.Sequential:
    """Return a network that knows left from right, with scores of some size."""
    torch.manual_seed(seed)
    conv = nn.Conv3d if dimensions == 3 else nn.Conv2d
    net = nn.Sequential(
        conv(channels, 6, 5, padding=2), nn.LeakyReLU(), conv(6, outputs, 3, padding=1)
    )
    with torch.no_grad():
        for weights in net.parameters():
            weights.mul_(3.0)
    return net.eval()


def plan(**changes: Any) -> InferencePlan:
    """Return a plan for an anisotropic model grid."""
    base: dict[str, Any] = {
        "orientation": "RAS",
        "transpose": (0, 1, 2),
        "spacing": (1.5, 1.2, 1.3),
        "patch": PATCH,
        "normalisation": (Normalisation(scheme=Scheme.Z_SCORE),),
        "crop_to_nonzero": True,
        "data": Resampling(order=3),
        "scores": Resampling(order=1),
        "mirror_axes": (),
        "outputs": 3,
    }
    return InferencePlan(**{**base, **changes})


def model(*networks: Any, **changes: Any) -> TiledModel:
    """Return a model of some networks (or one usual one) and a plan with some changes."""
    nets = networks or (network(),)
    return TiledModel(
        plan=plan(**changes), members=tuple(lambda device, net=net: net for net in nets)
    )


def scan(
    size: Sequence[int] = (17, 22, 19),
    spacing: Sequence[float] = (1.0, 0.9, 1.6),
    seed: int = 0,
) -> Scan:
    """Return a noisy scan of ``size`` voxels along (k, j, i) that is stored as LPS.

    Args:
        size: Voxels along (k, j, i).
        spacing: mm along (i, j, k).
        seed: Of its values.
    """
    values = np.random.default_rng(seed).normal(60.0, 20.0, size).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(tuple(spacing))
    image.SetOrigin((-11.5, 7.25, 40.0))
    return Scan(image=image, modality="CT")


def blobs(size: Sequence[int], *, sigma: float, height: float, seed: int) -> Scan:
    """Return an oblique CT of smooth blobs, of 1.2 × 1.4 × 2 mm along (i, j, k).

    Args:
        size: Voxels along (k, j, i).
        sigma: How smooth, in voxels.
        height: What the noise is multiplied with after smoothing.
        seed: Of the noise.
    """
    noise = np.random.default_rng(seed).normal(0.0, 1.0, size).astype(np.float32)
    image = sitk.DiscreteGaussian(sitk.GetImageFromArray(noise), sigma) * height
    image.SetSpacing((1.2, 1.4, 2.0))
    image.SetOrigin((-20.0, 31.5, 7.25))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.1, -0.15, 0.2)
    image.SetDirection(turn.GetMatrix())
    return Scan(image=image, modality="CT", name="blobs")
