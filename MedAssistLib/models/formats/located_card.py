"""Cards of located models: trained on crops about a structure, run at each of its places in a head.

Such a card is that of a patch-wise model of ours ("state-dict"), but its ``segments`` are those of
a whole head, and its ``architecture`` has the entry ``located``:

- ``atlas``: the head in which the places are known;
- ``places``: for each its ``name``, its ``box`` in the atlas (two corners, LPS mm), and ``labels``:
  what the network's labels 1, 2, … are there, among the labels of the segments;
- ``margin``: mm about the structure that the training's crops show;
- ``largest_crop``: a scan of which no side is longer, in mm, is taken for one such crop;
- ``crop_structures``: what the network's labels 1, 2, … are on a crop, which shows no side.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import SimpleITK as sitk

from MedAssistLib.case import Point
from MedAssistLib.models.anatomy import segments
from MedAssistLib.models.card import CARD_NAME, ModelCard
from MedAssistLib.models.formats.nnunet_plans import reading
from MedAssistLib.models.plan import PartedModel

FORMAT = "located"
_ENTRY = "located"
_RUNS = "state-dict"


@dataclass(frozen=True, kw_only=True)
class LocatedModel(PartedModel):
    """A network that is run at several places of a head; each part is one place.

    Attributes:
        atlas: Name of the head in which the places are known.
        boxes: Of each place, two corners in the atlas, LPS mm.
        margin: mm about the structure that the network expects to see.
        largest_crop: mm; what has no longer side is taken for a crop, and not for a head.
    """

    atlas: str
    boxes: tuple[tuple[Point, Point], ...]
    margin: float
    largest_crop: float


def settings(card: ModelCard) -> dict[str, Any]:
    """Return the card's entry ``located``.

    Raises:
        ModelError: If there is none.
    """
    with reading(card.folder / CARD_NAME):
        return dict(card.architecture[_ENTRY])


def crop_card(card: ModelCard) -> ModelCard:
    """Return the card of the network alone, for a scan that is a crop."""
    with reading(card.folder / CARD_NAME):
        names = settings(card)["crop_structures"]
        architecture = {key: value for key, value in card.architecture.items() if key != _ENTRY}
        return replace(
            card,
            format=_RUNS,
            segments=segments(dict(enumerate(names, start=1))),
            architecture=architecture,
        )


def suited(card: ModelCard, image: sitk.Image) -> ModelCard:
    """Return the card itself for a head, and that of the network alone for a crop."""
    longest = max(n * mm for n, mm in zip(image.GetSize(), image.GetSpacing(), strict=True))
    with reading(card.folder / CARD_NAME):
        return card if longest > float(settings(card)["largest_crop"]) else crop_card(card)


def narrowed(card: ModelCard, labels: Collection[int]) -> ModelCard:
    """Return a card without the places that give none of the labels that are wanted."""
    entry = settings(card)
    places = [place for place in entry["places"] if not set(labels).isdisjoint(place["labels"])]
    located = {**entry, "places": places}
    return replace(card, architecture={**card.architecture, _ENTRY: located})
