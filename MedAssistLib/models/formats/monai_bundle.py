"""MONAI bundles: networks of MONAI's, run by MedAssist's own engine.

The network is one of a list, and it is given plain values only, so that a bundle runs no program
of its author's. SegResNet and SegResNetDS are MedAssist's own and need no MONAI; the others are
MONAI's, which is an optional extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.formats.monai_bundle_card import PROGRAM, Bundle, read_bundle
from MedAssistLib.models.formats.monai_bundle_config import TARGET, is_plain
from MedAssistLib.models.formats.nnunet_plans import reading
from MedAssistLib.models.formats.torchscript import read_script, require_trust
from MedAssistLib.models.networks import build_network, load_weights, require_fit
from MedAssistLib.models.networks.segresnet import SEGRESNETS
from MedAssistLib.models.plan import Network, TiledModel
from MedAssistLib.models.weights import locate

# MONAI's networks that take numbers and names, and neither download nor read anything.
_MONAI = frozenset(
    {"UNet", "BasicUNet", "DynUNet", "VNet", "AttentionUnet", "HighResNet"} | {"UNETR", "SwinUNETR"}
)
_DEFINITIONS = ("network_def", "net_def", "network", "net")
# Where a checkpoint keeps the weights, if it holds more.
_PARTS = ("model", "state_dict", "network")


@dataclass(frozen=True)
class _Made:
    """How the network of a bundle is made."""

    kind: str
    settings: Mapping[str, Any]
    inputs: int
    outputs: int

    @property
    def own(self) -> bool:
        """Whether MedAssist has the network itself."""
        return self.kind in SEGRESNETS

    def build(self) -> torch.nn.Module:
        """Build the network, without weights.

        Raises:
            ModelError: If MONAI is needed and missing, or its settings make no sense.
        """
        if self.own:
            return build_network(self.kind, self.settings, inputs=self.inputs, outputs=self.outputs)
        nets = _monai_nets()
        try:
            network: torch.nn.Module = getattr(nets, self.kind)(**self.settings)
        except (TypeError, ValueError, LookupError, RuntimeError, AssertionError) as error:
            what = f"MONAI cannot build its {self.kind} ({str(error).partition(chr(10))[0]})"
            hint = "The bundle may need another version of MONAI"
            raise ModelError(what, hint=hint) from error
        return network.eval()


def load(card: ModelCard) -> TiledModel:
    """Make a bundle ready to run.

    Raises:
        ModelError: If its files are missing or unsafe, MONAI is missing, or it names something
            that is not known here.
    """
    bundle = read_bundle(card.folder)
    (role,) = card.weights
    if role == PROGRAM:
        require_trust(card)
        return TiledModel(plan=bundle.plan, members=(partial(read_script, locate(card, role)),))
    path = locate(card, role)
    with reading(bundle.config.path):
        made = _made(bundle)
        with torch.device("meta"):  # Whatever size the settings ask for.
            network = made.build()
    with reading(path):
        require_fit(network, _weights(path, trusted=card.trusted))
    member = partial(_member, made, path, card.trusted)
    return TiledModel(plan=bundle.plan, members=(member,))


def is_own(card: ModelCard) -> bool:
    """Tell whether a bundle's network is one that MedAssist has itself.

    Raises:
        ModelError: If the bundle is incomplete, or names something that is not known here.
    """
    bundle = read_bundle(card.folder)
    with reading(bundle.config.path):
        return _made(bundle).own


def _made(bundle: Bundle) -> _Made:
    """Find the description of the network; what only moves it to a device is passed over."""
    config = bundle.config
    entries = [config.get(name) for name in _DEFINITIONS]
    entry = next((found for found in entries if isinstance(found, dict) and TARGET in found), None)
    kind, settings = config.target(entry, "its network")
    if kind not in _MONAI and kind not in SEGRESNETS:
        hint = f"Known are {', '.join(sorted((*_MONAI, *SEGRESNETS)))}"
        raise ModelError(f"its network is of the unknown kind {kind}", hint=hint)
    if not is_plain(settings):
        raise ModelError(f"its {kind} needs a program to be built")
    inputs, outputs = len(bundle.channels), bundle.plan.outputs
    return _Made(kind, settings, inputs, outputs)


def _member(made: _Made, path: Path, trusted: bool, device: str) -> Network:
    with reading(path):
        weights = _weights(path, trusted=trusted)
        network = made.build()
        if made.own:
            return load_weights(network, weights, device)
        # MONAI's networks may hold tensors that no checkpoint has.
        network.load_state_dict(weights)
        return network.to(device)


def _weights(path: Path, *, trusted: bool) -> Mapping[str, torch.Tensor]:
    fields = read_checkpoint(path, trusted=trusted)
    part = next((name for name in _PARTS if isinstance(fields.get(name), dict)), None)
    weights = dict(fields if part is None else fields[part])
    if not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ValueError("it does not hold tensors by name")
    return weights


def _monai_nets() -> Any:
    try:
        return import_module("monai.networks.nets")
    except ImportError as error:
        hint = "Install it: pip install medassist[monai], or in Slicer: pip install monai"
        raise ModelError(
            "its network is one of MONAI's, which is not installed", hint=hint
        ) from error
