"""The models that stay loaded between jobs; the least recently used one goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from MedAssistLib.models import formats
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.plan import TiledModel

Stamp = tuple[Path, int, int]


class ModelCache:
    """Loaded models, by device, card and the state of its files.

    Args:
        size: How many models stay loaded.
        load: What loads one.
    """

    def __init__(self, size: int = 2, load: Callable[[ModelCard, str], Any] = formats.load) -> None:
        self._size, self._load = size, load
        # The last is the one used last. A card cannot be hashed, but two can be compared.
        self._held: list[tuple[object, Any]] = []

    def load(self, card: ModelCard, device: str) -> Any:
        """Return a model ready to run, loading it if it is not held.

        Raises:
            ModelError: If it cannot be loaded.
        """
        key = (device, card, sorted(_stamps(card)))
        for number, (held, model) in enumerate(self._held):
            if held == key:
                self._held.append(self._held.pop(number))
                return model
        # The place is made before the new one is loaded: two may not fit.
        while len(self._held) >= self._size:
            self._held.pop(0)
        self._held.append((key, _keeping_members(self._load(card, device))))
        return self._held[-1][1]

    def clear(self) -> None:
        """Let go of all models."""
        self._held.clear()


def _stamps(card: ModelCard) -> Iterator[Stamp]:
    """Yield what changes when weights are replaced, or what describes them is edited."""
    paths = {card.folder / file.path for file in card.weights.values()}
    # nnU-Net keeps its plans some folders above the weights.
    above = {folder for file in card.weights.values() for folder in PurePath(file.path).parents}
    for folder in above:
        paths |= set((card.folder / folder).glob("*.json"))
    for path in paths:
        if path.is_file():  # Otherwise it lies in a package, whose version stands in the card.
            found = path.stat()
            yield path, found.st_size, found.st_mtime_ns


def _keeping_members(model: Any) -> Any:
    """Let the networks of an ensemble stay loaded too, which its card loads for each run."""
    if not isinstance(model, TiledModel):
        return model
    previous = _keeping_members(model.previous) if model.previous else None
    return replace(model, members=tuple(map(cache, model.members)), previous=previous)
