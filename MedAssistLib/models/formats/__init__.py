"""How the weights of a model become a network that segments: one file a format."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

import numpy as np
import numpy.typing as npt

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import ModelCard
from MedAssistLib.progress import Progress

# The module of each format is imported when it is used, because it needs torch.
_MODULES = {"box-and-mask": "box_and_mask"}


class Network(Protocol):
    """A network with its weights, ready to run."""

    def __call__(
        self, volume: npt.NDArray[np.float32], progress: Progress
    ) -> npt.NDArray[np.float32]:
        """Return the probability of each segment in each voxel.

        Args:
            volume: Intensities, axes (k, j, i), turned as the card's ``orientation`` says.
            progress: Told how far it is.

        Returns:
            Probabilities in [0, 1], axes (segment, k, j, i), in the order of the card's segments.
        """
        ...


def load_network(card: ModelCard, device: str) -> Network:
    """Load a model's weights.

    Args:
        card: The model.
        device: Torch device, such as ``"cpu"`` or ``"cuda"``.

    Raises:
        ModelError: If the format is unknown, or the weights are missing or wrong.
    """
    if card.format not in _MODULES:
        hint = f"Known formats: {', '.join(_MODULES)}"
        raise ModelError(f'has the unknown format "{card.format}"', where=card.folder, hint=hint)
    module = import_module(f"{__name__}.{_MODULES[card.format]}")
    network: Network = module.load(card, device)
    return network
