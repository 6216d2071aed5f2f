"""The models that stay loaded between jobs; the least recently used one goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import repeat
from typing import Any

from MedAssistLib.models import formats
from MedAssistLib.models.card import ModelCard, WeightFile
from MedAssistLib.models.plan import TiledModel


class ModelCache:
    """Loaded models, by card, files and device.

    Args:
        size: How many models stay loaded.
        load: What loads one.
    """

    def __init__(self, size: int = 2, load: Callable[[ModelCard, str], Any] = formats.load) -> None:
        self._size, self._load = size, load
        self._held: OrderedDict[tuple[object, ...], Any] = OrderedDict()

    def load(self, card: ModelCard, device: str) -> Any:
        """Return a model ready to run, loading it if it is not held.

        Raises:
            ModelError: If it cannot be loaded.
        """
        key = (device, repr(card), *map(_stamp, card.weights.values(), repeat(card)))
        if key not in self._held:
            # The place is made before the new one is loaded: two may not fit.
            while len(self._held) >= self._size:
                self._held.popitem(last=False)
            self._held[key] = _keeping_members(self._load(card, device))
        self._held.move_to_end(key)
        return self._held[key]

    def clear(self) -> None:
        """Let go of all models."""
        self._held.clear()


def _stamp(file: WeightFile, card: ModelCard) -> tuple[int, int]:
    """Return what changes when a file of weights is replaced."""
    try:
        found = (card.folder / file.path).stat()
    except OSError:  # It lies in a package, whose version stands in the card.
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _keeping_members(model: Any) -> Any:
    """Let the networks of an ensemble stay loaded too, which its card loads for each run."""
    if not isinstance(model, TiledModel):
        return model
    previous = _keeping_members(model.previous) if model.previous else None
    return replace(model, members=tuple(map(cache, model.members)), previous=previous)
