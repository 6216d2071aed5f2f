"""Models that MONAI's Auto3DSeg trained, run as the Slicer extension MONAIAuto3DSeg would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.formats.auto3dseg_plan import inference_plan
from MedAssistLib.models.formats.nnunet_plans import reading
from MedAssistLib.models.networks import build_network, load_weights, require_fit
from MedAssistLib.models.networks.segresnet import SEGRESNETS
from MedAssistLib.models.networks.segresnet_shape import segresnet_shape
from MedAssistLib.models.plan import InferencePlan, Network, TiledModel
from MedAssistLib.models.weights import locate


@dataclass(frozen=True, kw_only=True)
class _Checkpoint:
    """A checkpoint, opened afresh for every run."""

    path: Path
    trusted: bool

    def read(self) -> tuple[InferencePlan, torch.nn.Module, Mapping[str, torch.Tensor]]:
        """Return the plan, the network without weights, and the weights, still in the file."""
        fields = read_checkpoint(self.path, trusted=self.trusted)
        with reading(self.path):
            config, weights = fields["config"], dict(fields["state_dict"])
            if not all(isinstance(value, torch.Tensor) for value in weights.values()):
                raise ValueError("its weights are not tensors")
            plan = inference_plan(config)
            settings = dict(config["network"])
            network = _build(str(settings.pop("_target_")), settings, plan)
            require_fit(network, weights)
            return plan, network, weights

    def network(self, device: str) -> Network:
        _, network, weights = self.read()
        return load_weights(network, weights, device)


def load(card: ModelCard) -> TiledModel:
    """Make a model ready to run.

    Raises:
        ModelError: If its file is missing, unsafe, or names something that is not known here.
    """
    (role,) = card.weights
    checkpoint = _Checkpoint(path=locate(card, role), trusted=card.trusted)
    plan, _, _ = checkpoint.read()
    return TiledModel(plan=plan, members=(checkpoint.network,))


def _build(name: str, settings: dict[str, Any], plan: InferencePlan) -> torch.nn.Module:
    kind = name.rpartition(".")[2]
    sizes = {"inputs": len(plan.normalisation), "outputs": plan.outputs}
    if kind not in SEGRESNETS:
        hint = f"Known are {' and '.join(SEGRESNETS)}"
        raise ModelError(f'its network is of the unknown kind "{name}"', hint=hint)
    network = build_network(kind, settings, **sizes)
    factors = segresnet_shape(kind, settings, **sizes).factors
    if any(length % factor for length, factor in zip(plan.patch, factors, strict=True)):
        raise ModelError(f"its patch {plan.patch} is not a multiple of {factors}")
    return network
