"""Networks that were saved with their program: TorchScript, and ``torch.export``'s ``.pt2``.

Both are programs. TorchScript has no Python, but its tensor operations can write files, already
when it is read; reading a ``.pt2`` lets PyTorch unpickle and evaluate what it holds. So they run
only if the user trusts them, or if MedAssist ships their card, which has their SHA-256.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import SHIPPED, ModelCard
from MedAssistLib.models.checkpoints import DAMAGE
from MedAssistLib.models.formats.own_plan import read_plan
from MedAssistLib.models.plan import Network, TiledModel
from MedAssistLib.models.weights import locate

EXPORTED = "torch-export"
_DAMAGED = "Install or copy the model again"


def load(card: ModelCard) -> TiledModel:
    """Make a model ready to run; each of its weight files is one network of the ensemble.

    Raises:
        ModelError: If its files are missing, unsafe, or do not fit the card.
    """
    require_trust(card)
    paths = [locate(card, role) for role in card.weights]
    exported = card.format == EXPORTED
    read: Callable[[Path, str], Network] = _read_exported if exported else read_script
    return TiledModel(plan=read_plan(card), members=tuple(partial(read, path) for path in paths))


def require_trust(card: ModelCard) -> None:
    """Refuse a model that is a program, unless its card is shipped or the user trusts it.

    Raises:
        ModelError: If neither is so.
    """
    if card.trusted or card.folder.parent == SHIPPED:
        return
    what = "is a program (TorchScript or torch.export), which may do anything when it is read"
    hint = "Ask its author for plain weights, or see --trust"
    raise ModelError(what, where=card.folder, hint=hint)


def read_script(path: Path, device: str) -> Any:
    """Read a TorchScript file.

    Raises:
        ModelError: If it is damaged or something else.
    """
    try:
        with warnings.catch_warnings():
            # torch wants torch.export instead; what people have is TorchScript.
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        what = "is not a readable TorchScript file"
        raise ModelError(what, where=path, hint=_DAMAGED) from error


def _read_exported(path: Path, device: str) -> Network:
    from torch.export.passes import move_to_device_pass

    damaged = ModelError("is not a readable torch.export file", where=path, hint=_DAMAGED)
    if not zipfile.is_zipfile(path):
        raise damaged
    try:
        program = move_to_device_pass(torch.export.load(path), device)
    except DAMAGE as error:
        raise damaged from error
    network: Network = program.module()
    return network if _takes_batches(program) else partial(_one_by_one, network)


def _takes_batches(program: torch.export.ExportedProgram) -> bool:
    """Tell whether the number of patches was left open when the network was exported."""
    name = program.graph_signature.user_inputs[0]
    node = next(node for node in program.graph.nodes if node.name == name)
    return not isinstance(node.meta["val"].shape[0], int)


def _one_by_one(network: Network, patches: torch.Tensor) -> torch.Tensor:
    return torch.cat([network(patch[None]) for patch in patches])
