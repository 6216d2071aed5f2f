"""A model to start from: any with a 3-D network of ours that the engine can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.errors import ModelError
from MedAssistLib.models import find
from MedAssistLib.models.anatomy import segments
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats import TRAINABLE, load, located_card, monai_bundle_card
from MedAssistLib.models.networks import Trainable
from MedAssistLib.models.plan import InferencePlan, Part, PartedModel, TiledModel

_HINT = (
    "Start from a 3-D model of MedAssist, nnU-Net or TotalSegmentator, or from one of MONAI's with "
    "a SegResNet"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A model to start from.

    Attributes:
        name: What it is called, with the part of it that was chosen.
        parts: Of how many parts that one was chosen.
        structures: What its outputs are, readable and in lower case, without the background.
        plan: How it is run.
        network: Its first network, with its weights, on the processor.
    """

    name: str
    parts: int
    structures: tuple[str, ...]
    plan: InferencePlan
    network: Trainable


def read_start(model: Path, structures: Sequence[str]) -> Start:
    """Read a model to start from.

    Args:
        model: Its folder, or its name.
        structures: What will be learned: of a model in several parts, the one that knows most of
            these by name is taken, otherwise the first.

    Raises:
        ModelError: If it has no network that can be trained, or its files are missing or unsafe.
    """
    card = find(str(model))
    if card.format == located_card.FORMAT:
        # The network is the same at all places; what it learned from are crops.
        card = located_card.crop_card(card)
    _require_layers(card, model)
    known = {entry.label: entry.name.casefold() for entry in card.segments}
    loaded, name, parts = load(card, "cpu"), card.name, 1
    if isinstance(loaded, PartedModel):
        part = _part(loaded, known, structures)
        name, parts, loaded = f"{card.name}, {part.name}", len(loaded.parts), part.model
        known = {own: known[label] for own, label in part.labels.items()}
    plan, network = _trainable(loaded, model)
    outputs = tuple(known.get(label, "") for label in plan.regions or range(1, plan.outputs))
    return Start(name=name, parts=parts, structures=outputs, plan=plan, network=network)


def readable(structures: Sequence[str]) -> tuple[str, ...]:
    """Return names as in :attr:`Start.structures`, so that "kidney_left" is "left kidney"."""
    found = segments(dict(enumerate(structures, start=1)))
    return tuple(entry.name.casefold() for entry in found)


def _require_layers(card: ModelCard, model: Path) -> None:
    """Refuse what has no layers that are known here, before it is run or MONAI is asked for."""
    bundle = card.format == monai_bundle_card.FORMAT
    what = ""
    if card.format not in TRAINABLE or (bundle and monai_bundle_card.PROGRAM in card.weights):
        what = "is a program, whose layers are not known, and cannot be trained further"
    elif bundle:
        from MedAssistLib.models.formats.monai_bundle import is_own

        what = "" if is_own(card) else "has a network of MONAI's, and cannot be trained further"
    if what:
        raise ModelError(what, where=model, hint=_HINT)


def _trainable(loaded: object, model: Path) -> tuple[InferencePlan, Trainable]:
    """Return how a model is run, and its first network.

    Raises:
        ModelError: If it cannot be trained here.
    """
    if isinstance(loaded, TiledModel):
        plan = loaded.plan
        if plan.flat or plan.cascade:
            kind = "2-D" if plan.flat else "the second stage of a cascade"
            raise ModelError(f"is {kind} and cannot be trained further", where=model, hint=_HINT)
        network = loaded.members[0]("cpu")
        if isinstance(network, Trainable):
            return plan, network
    raise ModelError("has no network that can be trained", where=model, hint=_HINT)


def _part(model: PartedModel, names: Mapping[int, str], structures: Sequence[str]) -> Part:
    """Return the part that knows most of some structures, or the first."""
    wanted = set(readable(structures))
    return max(
        model.parts,
        key=lambda part: len(wanted & {names[label] for label in part.labels.values()}),
    )
