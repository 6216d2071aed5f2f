"""The models at hand: those that MedAssist knows by name, and any model folder."""

from __future__ import annotations

import difflib
from pathlib import Path

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import CARD_NAME, ModelCard, read_card

_CARDS = Path(__file__).parent / "cards"


def known() -> list[ModelCard]:
    """Return the cards of the models that MedAssist knows by name."""
    return [read_card(path.parent) for path in sorted(_CARDS.glob(f"*/{CARD_NAME}"))]


def find(name: str) -> ModelCard:
    """Return a model's card.

    Args:
        name: The name of a known model, or the path of a model folder.

    Raises:
        ModelError: If there is no such model; it names the known ones.
    """
    if (Path(name) / CARD_NAME).is_file():
        return read_card(Path(name))
    cards = {card.name: card for card in known()}
    if name in cards:
        return cards[name]
    near = difflib.get_close_matches(name, cards, n=1)
    guess = f'Did you mean "{near[0]}"? ' if near else ""
    hint = f"{guess}Known models: {', '.join(cards)}; or give the path of a model folder"
    raise ModelError(f'there is no model "{name}"', hint=hint)
