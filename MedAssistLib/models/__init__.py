"""What can be run: model cards, the models at hand, their weights and their file formats."""

from __future__ import annotations

from MedAssistLib.models.card import ModelCard, read_card
from MedAssistLib.models.store import find, known
from MedAssistLib.models.weights import installed, locate

__all__ = ["ModelCard", "find", "installed", "known", "locate", "read_card"]
