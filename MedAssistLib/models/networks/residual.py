"""Residual blocks after ResNet-D (He et al. 2019, arXiv:1812.01187): a strided skip is averaged."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from MedAssistLib.models.networks.layers import ConvBlock, Layers, Step


class BasicBlock(nn.Module):
    """Two convolutions beside a skip."""

    def __init__(self, layers: Layers, step: Step) -> None:
        super().__init__()
        first, second = step.repeated(2)
        self.conv1 = ConvBlock(layers, first)
        self.conv2 = ConvBlock(replace(layers, dropout=None, activation=None), second)
        self.nonlin2 = _activation(layers)
        self.skip = _skip(layers, step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, *size) to (batch, outputs, *size / stride)."""
        inner: torch.Tensor = self.conv2(self.conv1(x))
        result: torch.Tensor = self.nonlin2(inner.add_(self.skip(x)))
        return result


class BottleneckBlock(nn.Module):
    """A convolution between two of one voxel that narrow and widen the channels, beside a skip."""

    def __init__(self, layers: Layers, step: Step, width: int) -> None:
        super().__init__()
        narrow = layers.pointwise(step.inputs, width)
        widen = layers.pointwise(width, step.outputs)
        self.conv1 = ConvBlock(replace(layers, dropout=None), narrow)
        self.conv2 = ConvBlock(layers, step._replace(inputs=width, outputs=width))
        self.conv3 = ConvBlock(replace(layers, dropout=None, activation=None), widen)
        self.nonlin3 = _activation(layers)
        self.skip = _skip(layers, step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, *size) to (batch, outputs, *size / stride)."""
        inner: torch.Tensor = self.conv3(self.conv2(self.conv1(x)))
        result: torch.Tensor = self.nonlin3(inner.add_(self.skip(x)))
        return result


class ResidualStack(nn.Module):
    """Several residual blocks in a row, the first with the stride.

    Args:
        layers: Makes the layers.
        count: How many blocks.
        step: What they do together.
        width: Channels inside of bottleneck blocks; ``None`` for basic blocks.
    """

    def __init__(self, layers: Layers, count: int, step: Step, width: int | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                BasicBlock(layers, each) if width is None else BottleneckBlock(layers, each, width)
                for each in step.repeated(count)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, *size) to (batch, outputs, *size / stride)."""
        result: torch.Tensor = self.blocks(x)
        return result


def _activation(layers: Layers) -> nn.Module:
    return layers.activation() if layers.activation else nn.Identity()


def _skip(layers: Layers, step: Step) -> nn.Module:
    modules: list[nn.Module] = []
    if step.stride != layers.ones:
        modules.append(layers.pooling(step.stride))
    if step.inputs != step.outputs:
        plain = replace(layers, bias=False, dropout=None, activation=None)
        modules.append(ConvBlock(plain, layers.pointwise(step.inputs, step.outputs)))
    return nn.Sequential(*modules)
