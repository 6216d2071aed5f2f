"""How the weights of a model become a network that segments: one file a format."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import CARD_NAME, ModelCard, read_card
from MedAssistLib.models.formats import (
    auto3dseg_card,
    located_card,
    monai_bundle_card,
    nnunet_card,
    totalsegmentator_card,
)
from MedAssistLib.models.plan import PartedModel, TiledModel
from MedAssistLib.progress import Progress

# The module of each format is imported when it is used, because it needs torch.
_WHOLE = {"box-and-mask": "box_and_mask"}
_TILED = {
    "nnunet": "nnunet",
    auto3dseg_card.FORMAT: "auto3dseg",
    monai_bundle_card.FORMAT: "monai_bundle",
    "state-dict": "state_dict",
    "torchscript": "torchscript",
    "torch-export": "torchscript",
}
_PARTED = {totalsegmentator_card.FORMAT: "totalsegmentator", located_card.FORMAT: "located"}
TRAINABLE = frozenset(
    {"state-dict", "nnunet", *_PARTED, auto3dseg_card.FORMAT, monai_bundle_card.FORMAT}
)
"""Formats whose networks can learn more; the others are programs."""
# What makes a card of a stranger's folder, in the order in which they are asked.
_FOREIGN = (
    totalsegmentator_card.describe,
    nnunet_card.describe,
    monai_bundle_card.describe,
    auto3dseg_card.describe,
)


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


def describe(path: Path) -> ModelCard:
    """Return the card of the model in a folder: its own, or one made from its other files.

    Reads no weights, but opens the file of those that keep the settings of the training in it:
    MONAI Auto3DSeg's, and nnU-Net's if their folder was renamed.

    Raises:
        ModelError: If it is not a model of a known format, or not a whole one.
    """
    if (path / CARD_NAME).is_file():
        return read_card(path)
    found = None
    if path.is_dir():
        found = next(filter(None, (describe_as(path) for describe_as in _FOREIGN)), None)
    if found is None:
        hint = (
            f"Known are folders with a {CARD_NAME}, and those of nnU-Net v2, TotalSegmentator, "
            "MONAI Auto3DSeg and MONAI bundles"
        )
        raise ModelError("is not a model that MedAssist can run", where=path, hint=hint)
    return found


def narrowed(card: ModelCard, labels: Collection[int]) -> ModelCard:
    """Return a card without the networks that give none of the labels that are wanted."""
    if card.format == located_card.FORMAT:
        return located_card.narrowed(card, labels)
    return totalsegmentator_card.narrowed(card, labels) if card.format in _PARTED else card


def suited(card: ModelCard, image: sitk.Image) -> ModelCard:
    """Return the card to use for a scan: that of the network alone for a crop as in its training.

    Raises:
        ModelError: If the card is not valid.
    """
    return located_card.suited(card, image) if card.format == located_card.FORMAT else card


def is_tiled(card: ModelCard) -> bool:
    """Tell whether a model runs patch by patch (:func:`load_tiled`), or on the whole volume."""
    return card.format in _TILED


def is_parted(card: ModelCard) -> bool:
    """Tell whether a model consists of several patch-wise networks that run in turn."""
    return card.format in _PARTED


def gives_probabilities(card: ModelCard) -> bool:
    """Tell whether a model can say how probable each of its structures is."""
    return is_tiled(card) or card.format == located_card.FORMAT


def load_tiled(card: ModelCard) -> TiledModel:
    """Make a patch-wise model ready to run.

    Raises:
        ModelError: If the format is unknown, or the files are missing, wrong or unsafe.
    """
    model: TiledModel = _module(card, _TILED).load(card)
    return model


def load_network(card: ModelCard, device: str) -> Network:
    """Load the weights of a model that runs on the whole volume.

    Args:
        card: The model.
        device: Torch device, such as ``"cpu"`` or ``"cuda"``.

    Raises:
        ModelError: If the format is unknown, or the weights are missing or wrong.
    """
    network: Network = _module(card, _WHOLE).load(card, device)
    return network


def load(card: ModelCard, device: str) -> Network | TiledModel | PartedModel:
    """Make a model ready to run, whatever its format.

    Raises:
        ModelError: If the format is unknown, or the weights are missing, wrong or unsafe.
    """
    if card.format in _PARTED:
        model: TiledModel | PartedModel = _module(card, _PARTED).load(card)
        return model
    return load_tiled(card) if is_tiled(card) else load_network(card, device)


def _module(card: ModelCard, modules: Mapping[str, str]) -> Any:
    if card.format not in modules:
        hint = f"Known formats: {', '.join((*_WHOLE, *_TILED, *_PARTED))}"
        raise ModelError(f'has the unknown format "{card.format}"', where=card.folder, hint=hint)
    return import_module(f"{__name__}.{modules[card.format]}")
