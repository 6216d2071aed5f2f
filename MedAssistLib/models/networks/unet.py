"""U-Nets whose weights have the keys and shapes of dynamic-network-architectures'.

They are those of nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z, and 2024,
arXiv:2404.09556), which names them PlainConvUNet and ResidualEncoderUNet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from MedAssistLib.models.networks.layers import ConvStack, Layers, Size, Step
from MedAssistLib.models.networks.residual import ResidualStack
from MedAssistLib.models.networks.trainable import Trainable


@dataclass(frozen=True, kw_only=True)
class UNetShape:
    """The shape of a U-Net; lists go from the full resolution down.

    Attributes:
        layers: Makes the layers.
        inputs: Channels given.
        outputs: Channels returned.
        features: Channels of each stage.
        kernels: Kernel size of each stage.
        strides: Stride on entering each stage.
        blocks: Blocks of each stage of the encoder.
        decoder_blocks: Convolutions of each stage of the decoder, from the bottom up.
        stem: Channels after the stem of a residual encoder.
        widths: Inner channels of bottleneck blocks in each stage; ``None`` for basic blocks.
    """

    layers: Layers
    inputs: int
    outputs: int
    features: tuple[int, ...]
    kernels: tuple[Size, ...]
    strides: tuple[Size, ...]
    blocks: tuple[int, ...]
    decoder_blocks: tuple[int, ...]
    stem: int
    widths: tuple[int | None, ...]

    @property
    def multiple(self) -> Size:
        """Voxels of a patch, along each axis, that become one at the coarsest stage."""
        return tuple(map(math.prod, zip(*self.strides, strict=True)))

    def steps(self, inputs: int) -> list[Step]:
        """Return what each stage of the encoder does, the first given so many channels."""
        given = (inputs, *self.features[:-1])
        return [
            Step(*step)
            for step in zip(given, self.features, self.kernels, self.strides, strict=True)
        ]


class _PlainEncoder(nn.Module):
    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        # Each stage is wrapped once more, because the keys of the original are.
        self.stages = nn.Sequential(
            *(
                nn.Sequential(ConvStack(shape.layers, count, step))
                for count, step in zip(shape.blocks, shape.steps(shape.inputs), strict=True)
            )
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return _through(self.stages, x)

    def first(self) -> ConvStack:
        stack: Any = self.stages[0]
        first: ConvStack = stack[0]
        return first


class _ResidualEncoder(nn.Module):
    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        layers, stem = shape.layers, shape.stem
        self.stem = ConvStack(layers, 1, Step(shape.inputs, stem, shape.kernels[0], layers.ones))
        self.stages = nn.Sequential(
            *(
                ResidualStack(layers, count, step, width)
                for count, step, width in zip(
                    shape.blocks, shape.steps(stem), shape.widths, strict=True
                )
            )
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return _through(self.stages, self.stem(x))

    def first(self) -> ConvStack:
        return self.stem


def _through(stages: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    """Return what each stage gives, the full resolution first."""
    results = []
    for stage in stages:
        x = stage(x)
        results.append(x)
    return results


class _Decoder(nn.Module):
    def __init__(self, shape: UNetShape, encoder: nn.Module) -> None:
        super().__init__()
        # Not run from here: checkpoints hold the encoder's weights a second time below this name.
        self.encoder = encoder
        layers = shape.layers
        self.stages = nn.ModuleList()
        self.transpconvs = nn.ModuleList()
        self.seg_layers = nn.ModuleList()
        for step, count in enumerate(shape.decoder_blocks, start=1):
            below, beside = shape.features[-step], shape.features[-step - 1]
            mix = Step(2 * beside, beside, shape.kernels[-step - 1], layers.ones)
            self.transpconvs.append(layers.upsampling(below, beside, shape.strides[-step]))
            self.stages.append(ConvStack(layers, count, mix))
            # The heads of the coarser stages serve training only.
            head = replace(layers, bias=True)
            self.seg_layers.append(head.convolution(layers.pointwise(beside, shape.outputs)))

    def forward(self, skips: list[torch.Tensor]) -> torch.Tensor:
        for x in self.features(skips):  # noqa: B007 - only the last one is wanted
            pass
        scores: torch.Tensor = self.seg_layers[-1](x)
        return scores

    def features(self, skips: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Give what each stage finds, the coarsest first."""
        x = skips.pop()
        for upsample, stage in zip(self.transpconvs, self.stages, strict=True):
            # Skips are taken off the list, so that each is freed as soon as it was used.
            x = stage(torch.cat((upsample(x), skips.pop()), 1))
            yield x


class UNet(Trainable):
    """A U-Net.

    Args:
        shape: Its shape.
        residual: Residual blocks in the encoder.
    """

    def __init__(self, shape: UNetShape, *, residual: bool) -> None:
        super().__init__(shape.multiple)
        self.encoder = _ResidualEncoder(shape) if residual else _PlainEncoder(shape)
        self.decoder = _Decoder(shape, self.encoder)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map patches (batch, inputs, *patch) to scores (batch, outputs, *patch)."""
        scores: torch.Tensor = self.decoder(self.encoder(x))
        return scores

    def all_scores(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map patches to the scores of each stage of the decoder, the full resolution first."""
        found = self.decoder.features(self.encoder(x))
        scores = [head(each) for head, each in zip(self.decoder.seg_layers, found, strict=True)]
        return scores[::-1]

    def entry(self) -> nn.Module:
        """Return the first convolution of the encoder."""
        block: Any = self.encoder.first().convs[0]
        convolution: nn.Module = block.conv
        return convolution

    def heads(self) -> list[nn.Module]:
        """Return the convolution that gives the scores of each stage, the finest first."""
        return list(self.decoder.seg_layers)[::-1]
