"""The layers that a network's description may name, and the two block kinds made of them.

Names are looked up in a table and never imported: a description is data from a stranger's file.
The blocks' attributes carry the names of dynamic-network-architectures, so that the keys of
nnU-Net's checkpoints fit; a layer is there twice, by its role and in ``all_modules``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

Size = tuple[int, ...]

_POOLS: Mapping[int, type[nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_CONVOLUTIONS: Mapping[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: Mapping[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def _even_out(norm: Any, x: torch.Tensor) -> torch.Tensor:
    """Normalise each channel of each patch; on a processor as a group norm of single channels.

    It is the same to rounding, and with channels last takes a fifth less time for a whole U-Net.
    In training it is a batch norm of each patch, whose way back takes a third of the time.
    """
    if x.device.type != "cpu" or norm.track_running_stats:
        return functional.instance_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
    if norm.training:
        patches = torch.split(x, 1)
        evened = [
            functional.batch_norm(patch, None, None, norm.weight, norm.bias, True, 0.0, norm.eps)
            for patch in patches
        ]
        return torch.cat(evened)
    return functional.group_norm(x, x.shape[1], norm.weight, norm.bias, norm.eps)


class InstanceNorm2d(nn.InstanceNorm2d):
    """The layer of torch, quicker on a processor."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the axes (batch, channel, j, i)."""
        return _even_out(self, x)


class InstanceNorm3d(nn.InstanceNorm3d):
    """The layer of torch, quicker on a processor."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the axes (batch, channel, k, j, i)."""
        return _even_out(self, x)


# The classes that a description may name, by the argument that names them.
NAMED: Mapping[str, Mapping[str, type[nn.Module]]] = {
    "norm_op": {
        kind.__name__: kind
        for kind in (InstanceNorm2d, InstanceNorm3d, nn.BatchNorm2d, nn.BatchNorm3d)
    },
    "dropout_op": {kind.__name__: kind for kind in (nn.Dropout, nn.Dropout2d, nn.Dropout3d)},
    "nonlin": {
        kind.__name__: kind
        for kind in (nn.LeakyReLU, nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.PReLU)
    },
}


class Step(NamedTuple):
    """What a convolution, or a row of them, does to its input.

    Attributes:
        inputs: Channels given.
        outputs: Channels returned.
        kernel: Size of the kernel.
        stride: The stride.
    """

    inputs: int
    outputs: int
    kernel: Size
    stride: Size

    def repeated(self, count: int) -> list[Step]:
        """Return this step and what follows it in a row of ``count``, without stride."""
        ones = (1,) * len(self.stride)
        return [self] + [Step(self.outputs, self.outputs, self.kernel, ones)] * (count - 1)


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Makes the layers of one network.

    Attributes:
        dimensions: 2 or 3.
        bias: Whether convolutions have a bias.
        norm: Makes a normalisation of so many channels.
        dropout: Makes a dropout, which does nothing after training but has its place in the keys.
        activation: Makes an activation.
        activation_first: Activation before normalisation.
    """

    dimensions: int
    bias: bool
    norm: Callable[[int], nn.Module] | None
    dropout: Callable[[], nn.Module] | None
    activation: Callable[[], nn.Module] | None
    activation_first: bool = False

    def convolution(self, step: Step) -> nn.Module:
        """Make a convolution that keeps the size, but for the stride."""
        padding = tuple((length - 1) // 2 for length in step.kernel)
        kind: Any = _CONVOLUTIONS[self.dimensions]
        layer: nn.Module = kind(
            step.inputs, step.outputs, step.kernel, step.stride, padding, bias=self.bias
        )
        return layer

    def upsampling(self, inputs: int, outputs: int, stride: Size) -> nn.Module:
        """Make a transposed convolution that undoes a stride."""
        kind: Any = _TRANSPOSED[self.dimensions]
        layer: nn.Module = kind(inputs, outputs, stride, stride, bias=self.bias)
        return layer

    def pooling(self, stride: Size) -> nn.Module:
        """Make an average over boxes of ``stride``."""
        kind: Any = _POOLS[self.dimensions]
        layer: nn.Module = kind(stride, stride)
        return layer

    @property
    def ones(self) -> Size:
        """A kernel or stride of one voxel."""
        return (1,) * self.dimensions

    def pointwise(self, inputs: int, outputs: int) -> Step:
        """Return the step that only mixes the channels of each voxel."""
        return Step(inputs, outputs, self.ones, self.ones)


class ConvBlock(nn.Module):
    """Convolution, dropout, normalisation and activation, each if the layers have it."""

    def __init__(self, layers: Layers, step: Step) -> None:
        super().__init__()
        self.conv = layers.convolution(step)
        modules = [self.conv]
        if layers.dropout:
            self.dropout = layers.dropout()
            modules.append(self.dropout)
        if layers.norm:
            self.norm = layers.norm(step.outputs)
            modules.append(self.norm)
        if layers.activation:
            self.nonlin = layers.activation()
            place = len(modules) - (layers.activation_first and layers.norm is not None)
            modules.insert(place, self.nonlin)
        self.all_modules = nn.Sequential(*modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, *size) to (batch, outputs, *size / stride)."""
        result: torch.Tensor = self.all_modules(x)
        return result


class ConvStack(nn.Module):
    """Several :class:`ConvBlock` in a row, the first with the stride."""

    def __init__(self, layers: Layers, count: int, step: Step) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(ConvBlock(layers, each) for each in step.repeated(count)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, *size) to (batch, outputs, *size / stride)."""
        result: torch.Tensor = self.convs(x)
        return result
