"""Residual networks whose weights have the keys and shapes of MONAI's SegResNet and SegResNetDS.

They are those of Myronenko 2018, arXiv:1810.11654, without the autoencoder; SegResNetDS is what
MONAI's Auto3DSeg trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from MedAssistLib.models.networks.segresnet_shape import TWICE, Scale, SegResNetShape
from MedAssistLib.models.networks.trainable import Trainable

_ONCE: Scale = (1, 1, 1)


class SegResNetDS(Trainable):
    """SegResNet with transposed convolutions and coarse axes that shrink later."""

    def __init__(self, shape: SegResNetShape) -> None:
        super().__init__(shape.factors)
        levels = len(shape.down)
        self.encoder = _Encoder(shape)
        self.up_layers = nn.ModuleList()
        for index, blocks in enumerate(shape.up):
            level = levels - 2 - index
            inside = shape.features * 2**level
            # The kernel and the stride with which the encoder went down from this level.
            scale = shape.scales[level]
            parts = nn.ModuleDict()
            parts["upsample"] = _upsampling(shape.upsampling, inside, scale)
            parts["blocks"] = _blocks(_PreBlock, shape, inside, blocks, _kernel(scale))
            supervised = len(shape.up) - index <= shape.heads
            parts["head"] = nn.Conv3d(inside, shape.outputs, 1) if supervised else nn.Identity()
            self.up_layers.append(parts)
        if not shape.up:
            head = nn.Conv3d(shape.features, shape.outputs, 1)
            flat = {"upsample": nn.Identity(), "blocks": nn.Identity(), "head": head}
            self.up_layers.append(nn.ModuleDict(flat))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, *patch) to (batch, outputs, *patch)."""
        for level, found in self._features(x):  # noqa: B007 - only the last ones are wanted
            pass
        result: torch.Tensor = level["head"](found)
        return result

    def all_scores(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map patches to the scores of each level that has a head, the full resolution first."""
        supervised = [(level, x) for level, x in self._features(x) if _has_head(level)]
        return [level["head"](x) for level, x in supervised[::-1]]

    def entry(self) -> nn.Module:
        """Return the first convolution of the encoder."""
        return self.encoder.conv_init

    def heads(self) -> list[nn.Module]:
        """Return the convolution that gives the scores of each level, the finest first."""
        levels: Any = self.up_layers
        return [level["head"] for level in levels if _has_head(level)][::-1]

    def _features(self, x: torch.Tensor) -> Iterator[tuple[Any, torch.Tensor]]:
        """Give each level of the decoder and what it finds, the coarsest first."""
        *skips, x = self.encoder(x)
        level: Any
        for level in self.up_layers:
            x = level["upsample"](x)
            if skips:
                x = x + skips.pop()
            x = level["blocks"](x)
            yield level, x


class SegResNet(Trainable):
    """SegResNet as it was published first."""

    def __init__(self, shape: SegResNetShape) -> None:
        super().__init__(shape.factors)
        widths = [shape.features * 2**level for level in range(len(shape.down))]
        self.convInit = _named(nn.Conv3d(shape.inputs, widths[0], 3, padding=1, bias=False))
        self.down_layers = nn.ModuleList()
        for before, width, blocks in zip([0, *widths], widths, shape.down, strict=False):
            first: nn.Module = nn.Identity()
            if before:
                first = _named(nn.Conv3d(before, width, 3, stride=2, padding=1, bias=False))
            rest = (_Block(shape, width) for _ in range(blocks))
            self.down_layers.append(nn.Sequential(first, *rest))
        self.up_layers, self.up_samples = nn.ModuleList(), nn.ModuleList()
        for (width, below), blocks in zip(list(pairwise(widths))[::-1], shape.up, strict=True):
            self.up_layers.append(nn.Sequential(*(_Block(shape, width) for _ in range(blocks))))
            narrow = _named(nn.Conv3d(below, width, 1, bias=False))
            self.up_samples.append(nn.Sequential(narrow, _doubling(shape.upsampling, width)))
        self.act_mod = shape.activation()
        last = _named(nn.Conv3d(shape.features, shape.outputs, 1))
        self.conv_final = nn.Sequential(shape.norm(shape.features), self.act_mod, last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, *patch) to (batch, outputs, *patch)."""
        x = self.convInit(x)
        skips = []
        for down in self.down_layers:
            x = down(x)
            skips.append(x)
        skips.pop()
        for enlarge, refine in zip(self.up_samples, self.up_layers, strict=True):
            x = refine(enlarge(x) + skips.pop())
        result: torch.Tensor = self.conv_final(x)
        return result

    def all_scores(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map patches to the scores of its only head."""
        return [self(x)]

    def entry(self) -> nn.Module:
        """Return the first convolution."""
        return self.convInit

    def heads(self) -> list[nn.Module]:
        """Return the last convolution."""
        return [self.conv_final[-1]]


SEGRESNETS: Mapping[str, Callable[[SegResNetShape], Trainable]] = {
    "SegResNet": SegResNet,
    "SegResNetDS": SegResNetDS,
}


def _has_head(level: Any) -> bool:
    return not isinstance(level["head"], nn.Identity)


class _Encoder(nn.Module):
    def __init__(self, shape: SegResNetShape) -> None:
        super().__init__()
        self.conv_init = _convolution(shape.inputs, shape.features, _kernel(shape.scales[0]))
        self.layers = nn.ModuleList()
        for level, (blocks, scale) in enumerate(zip(shape.down, shape.scales, strict=True)):
            width, kernel = shape.features * 2**level, _kernel(scale)
            parts = nn.ModuleDict({"blocks": _blocks(_PreBlock, shape, width, blocks, kernel)})
            last = level == len(shape.down) - 1
            parts["downsample"] = (
                nn.Identity() if last else _convolution(width, 2 * width, kernel, scale)
            )
            self.layers.append(parts)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.conv_init(x)
        found = []
        level: Any
        for level in self.layers:
            x = level["blocks"](x)
            found.append(x)
            x = level["downsample"](x)
        return found


class _PreBlock(nn.Module):
    """Normalisation, activation and convolution, twice, added to the input."""

    def __init__(self, shape: SegResNetShape, width: int, kernel: Scale) -> None:
        super().__init__()
        self.norm1, self.act1 = shape.norm(width), shape.activation()
        self.conv1 = _convolution(width, width, kernel)
        self.norm2, self.act2 = shape.norm(width), shape.activation()
        self.conv2 = _convolution(width, width, kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = self.conv1(self.act1(self.norm1(x)))
        result: torch.Tensor = self.conv2(self.act2(self.norm2(inside))) + x
        return result


class _Block(nn.Module):
    """The same with the names of the first SegResNet, and one activation for both."""

    def __init__(self, shape: SegResNetShape, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = shape.norm(width), shape.norm(width)
        self.act = shape.activation()
        self.conv1 = _named(nn.Conv3d(width, width, 3, padding=1, bias=False))
        self.conv2 = _named(nn.Conv3d(width, width, 3, padding=1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = self.conv1(self.act(self.norm1(x)))
        result: torch.Tensor = self.conv2(self.act(self.norm2(inside))) + x
        return result


def _named(convolution: nn.Module) -> nn.Sequential:
    """Return a convolution with the name that it has in MONAI's keys."""
    part = nn.Sequential()
    part.add_module("conv", convolution)
    return part


def _blocks(
    kind: Callable[..., nn.Module], shape: SegResNetShape, width: int, count: int, kernel: Scale
) -> nn.Sequential:
    return nn.Sequential(*(kind(shape, width, kernel) for _ in range(count)))


def _convolution(inputs: int, outputs: int, kernel: Scale, stride: Scale = _ONCE) -> nn.Module:
    k, j, i = (length // 2 for length in kernel)
    return nn.Conv3d(inputs, outputs, kernel, stride, (k, j, i), bias=False)


def _upsampling(kind: str, outputs: int, scale: Scale) -> nn.Module:
    """Return what undoes a step down by ``scale`` and halves the channels."""
    part = nn.Sequential()
    if kind == "nontrainable":
        part.add_module("preconv", nn.Conv3d(2 * outputs, outputs, 1, bias=False))
        part.add_module("upsample_non_trainable", _linear(scale))
        return part
    kernel = _kernel(scale)
    # A kernel of three voxels that moves by two needs one more at the far end.
    k, j, i = ((length - 1) // 2 for length in kernel)
    layer = nn.ConvTranspose3d(
        2 * outputs, outputs, kernel, scale, (k, j, i), (k, j, i), bias=False
    )
    part.add_module("deconv", layer)
    return part


def _doubling(kind: str, width: int) -> nn.Module:
    part = nn.Sequential()
    if kind == "nontrainable":
        part.add_module("upsample_non_trainable", _linear(TWICE))
    else:
        part.add_module("deconv", nn.ConvTranspose3d(width, width, 2, 2))
    return part


def _linear(scale: Scale) -> nn.Module:
    k, j, i = (float(step) for step in scale)
    return nn.Upsample(scale_factor=(k, j, i), mode="trilinear", align_corners=False)


def _kernel(scale: Scale) -> Scale:
    k, j, i = (3 if step > 1 else 1 for step in scale)
    return k, j, i
