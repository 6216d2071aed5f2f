"""Models of our own: a card that describes the network, and its weights as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch

from MedAssistLib.models.card import CARD_NAME, ModelCard
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.formats.nnunet_plans import reading
from MedAssistLib.models.formats.own_plan import read_plan
from MedAssistLib.models.networks import build_network, load_weights, require_fit
from MedAssistLib.models.plan import Network, TiledModel
from MedAssistLib.models.weights import locate


def load(card: ModelCard) -> TiledModel:
    """Make a model ready to run; each of its weight files is one network of the ensemble.

    The card's ``architecture`` holds ``network_class_name`` and ``arch_kwargs`` as in nnU-Net's
    plans, and ``plan`` (:func:`~MedAssistLib.models.formats.own_plan.read_plan`).

    Raises:
        ModelError: If its files are missing, unsafe, or do not fit the card.
    """
    plan = read_plan(card)
    paths = [locate(card, role) for role in card.weights]
    network = _network(card, plan.outputs)
    for path in paths:
        _require_fit(path, network, card)
    return TiledModel(
        plan=plan,
        members=tuple(partial(_member, card, path, plan.outputs) for path in paths),
    )


def _network(card: ModelCard, outputs: int) -> torch.nn.Module:
    with reading(card.folder / CARD_NAME):
        name, settings = (card.architecture[key] for key in ("network_class_name", "arch_kwargs"))
        return build_network(name, settings, inputs=len(card.channels), outputs=outputs)


def _require_fit(path: Path, network: torch.nn.Module, card: ModelCard) -> None:
    with reading(path):
        require_fit(network, _weights(path, card))


def _member(card: ModelCard, path: Path, outputs: int, device: str) -> Network:
    with reading(path):
        return load_weights(_network(card, outputs), _weights(path, card), device)


def _weights(path: Path, card: ModelCard) -> Mapping[str, torch.Tensor]:
    weights = dict(read_checkpoint(path, trusted=card.trusted))
    if not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ValueError("it does not hold tensors by name")
    return weights
