"""Models that nnU-Net v2 trained, run as nnU-Net would.

Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats.nnunet_checkpoint import read_training
from MedAssistLib.models.formats.nnunet_folder import PLANS, TrainedFolder
from MedAssistLib.models.formats.nnunet_network import architecture, require_known_trainer
from MedAssistLib.models.formats.nnunet_plans import (
    Fields,
    inference_plan,
    reading,
)
from MedAssistLib.models.networks import build_network, load_weights, require_fit
from MedAssistLib.models.plan import Network, TiledModel
from MedAssistLib.models.weights import locate


def load(card: ModelCard) -> TiledModel:
    """Make a model ready to run; each fold is read when its turn comes.

    Args:
        card: A card of :func:`MedAssistLib.models.formats.nnunet_card.card`; its weights are the
            folds of the ensemble, and may be fewer than the folder has.

    Raises:
        ModelError: If its files are missing, unsafe, or name something that is not known here.
    """
    paths = [locate(card, role) for role in card.weights]
    return tiled(TrainedFolder(card.folder), paths, trusted=card.trusted)


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """How the network of one fold is built."""

    path: Path
    name: str
    arguments: Fields
    inputs: int
    outputs: int
    trusted: bool

    def network(self, device: str) -> Network:
        weights = read_training(self.path, trusted=self.trusted).weights
        with reading(self.path):
            network = build_network(
                self.name, self.arguments, inputs=self.inputs, outputs=self.outputs
            )
            return load_weights(network, weights, device)


def tiled(folder: TrainedFolder, paths: Sequence[Path], *, trusted: bool) -> TiledModel:
    """Make one trained configuration ready to run.

    Args:
        folder: Its folder.
        paths: The checkpoints of the ensemble.
        trusted: Let them run the programs that they hold.

    Raises:
        ModelError: If its files are missing, unsafe, or name something that is not known here.
    """
    # As in nnU-Net, the first checkpoint and not the folder's name says what was trained.
    training = read_training(paths[0], trusted=trusted)
    with reading(paths[0]):
        require_known_trainer(training.trainer)
    fields = folder.configuration(training.configuration)
    with reading(folder.path / PLANS):
        name, arguments = architecture(fields, training.trainer)
        plan = inference_plan(
            folder.plans, fields, folder.labels, len(folder.channels), training.mirror_axes
        )
        inputs = len(folder.channels) + len(plan.cascade)
        network = build_network(name, arguments, inputs=inputs, outputs=plan.outputs)
    with reading(paths[0]):
        require_fit(network, training.weights)
    fold = partial(
        _Fold,
        name=name,
        arguments=arguments,
        inputs=inputs,
        outputs=plan.outputs,
        trusted=trusted,
    )
    members = tuple(fold(path=path).network for path in paths)
    stage = folder.previous(fields)
    if stage is None:
        return TiledModel(plan=plan, members=members)
    previous = tiled(stage, list(stage.checkpoints.values()), trusted=trusted)
    return TiledModel(plan=plan, members=members, previous=previous)
