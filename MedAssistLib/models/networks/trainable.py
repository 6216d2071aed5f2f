"""What every network here has, so that it can be trained, and trained further."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from MedAssistLib.models.networks.layers import Size


class Trainable(nn.Module, ABC):
    """A network that says how it was built, and gives the scores of all its heads.

    Args:
        multiple: See below.

    Attributes:
        kind: Its class, as a description names it.
        arguments: The arguments of that class, but for the numbers of channels. With both,
            :func:`~MedAssistLib.models.networks.build_network` builds such a network again.
        multiple: Voxels of a patch, along each axis, that become one at the coarsest stage.
    """

    def __init__(self, multiple: Size) -> None:
        super().__init__()
        self.multiple = multiple
        self.kind = ""
        self.arguments: dict[str, Any] = {}

    @abstractmethod
    def all_scores(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map patches to the scores of each head, the full resolution first.

        For training with deep supervision; the network itself gives the first of them.

        Args:
            x: Patches, axes (batch, channel, *patch).
        """

    @abstractmethod
    def entry(self) -> nn.Module:
        """Return the first convolution, which sees the scan."""

    @abstractmethod
    def heads(self) -> list[nn.Module]:
        """Return the layers that give the scores, in the order of :meth:`all_scores`."""
