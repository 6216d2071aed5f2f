"""Located models: one network for several places of a head."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from MedAssistLib.case import Point
from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import CARD_NAME, ModelCard
from MedAssistLib.models.formats import state_dict
from MedAssistLib.models.formats.located_card import LocatedModel, crop_card, settings
from MedAssistLib.models.formats.nnunet_plans import reading
from MedAssistLib.models.plan import Part, TiledModel


def load(card: ModelCard) -> LocatedModel:
    """Make a model ready to run.

    Args:
        card: See :mod:`MedAssistLib.models.formats.located_card`.

    Raises:
        ModelError: If its files are missing, unsafe, or do not fit the card.
    """
    entry = settings(card)
    model = state_dict.load(crop_card(card))
    # The network is small and runs several times: it stays loaded.
    model = replace(model, members=tuple(map(cache, model.members)))
    with reading(card.folder / CARD_NAME):
        places = entry["places"]
        return LocatedModel(
            parts=tuple(_part(place, model, card) for place in places),
            atlas=str(entry["atlas"]),
            boxes=tuple((_point(place["box"][0]), _point(place["box"][1])) for place in places),
            margin=float(entry["margin"]),
            largest_crop=float(entry["largest_crop"]),
        )


def _part(place: dict[str, Any], model: TiledModel, card: ModelCard) -> Part:
    labels = {own: int(label) for own, label in enumerate(place["labels"], start=1)}
    strange = set(labels.values()) - {segment.label for segment in card.segments}
    if strange or len(labels) != model.plan.outputs - 1:
        what = f'the place "{place["name"]}" does not name the labels of the segments'
        raise ModelError(what)
    return Part(name=str(place["name"]), model=model, labels=labels)


def _point(values: Any) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
