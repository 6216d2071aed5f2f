"""What a model's card says of the cases that it learned from: ``medassist train`` records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from MedAssistLib.models.card import ModelCard


class Spread(NamedTuple):
    """How a number was spread over the cases."""

    minimum: float
    percentile_10: float
    median: float
    percentile_90: float
    maximum: float


def voxel_sizes(card: ModelCard) -> tuple[Spread, ...]:
    """Return mm from voxel to voxel, left to right, front to back and bottom to top.

    Returns:
        Nothing if the card does not say it.
    """
    found = [_spread(entry) for entry in _list(card, "spacing")]
    known = tuple(spread for spread in found if spread)
    return known if len(known) == len(found) == 3 else ()


def volumes(card: ModelCard) -> dict[str, Spread]:
    """Return the volume of each structure in mL, by name; those that the card tells."""
    entries = [entry for entry in _list(card, "structures") if isinstance(entry, Mapping)]
    found = {str(entry.get("name")): _spread(entry.get("volume_ml")) for entry in entries}
    return {name: spread for name, spread in found.items() if spread}


def _list(card: ModelCard, name: str) -> list[Any]:
    """Return a list of the fingerprint; a card may hold anything."""
    data = card.training.get("data")
    entries = data.get(name) if isinstance(data, Mapping) else None
    return list(entries) if isinstance(entries, list | tuple) else []


def _spread(entry: Any) -> Spread | None:
    """Return a spread of numbers above 0, else ``None``."""
    if not isinstance(entry, Mapping):
        return None
    numbers = [entry.get(name) for name in Spread._fields]
    if not all(isinstance(n, int | float) and n > 0 for n in numbers):
        return None
    return Spread(*(float(n) for n in numbers if n is not None))
