"""Where a model's weights are, and whether they are the right ones."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from MedAssistLib.errors import ModelError
from MedAssistLib.files import sha256
from MedAssistLib.models.card import ModelCard, WeightFile


def installed(card: ModelCard) -> bool:
    """Tell whether all weight files of a model are there, by their size."""
    return all(
        (path := _path(card, entry)) is not None
        and path.is_file()
        and path.stat().st_size == entry.size
        for entry in card.weights.values()
    )


def locate(card: ModelCard, role: str) -> Path:
    """Return a weight file after checking its SHA-256, if the card has it.

    Raises:
        ModelError: If it is missing or is not the file that the card means.
    """
    entry = card.weights[role]
    path = _path(card, entry)
    if path is None or not path.is_file():
        hint = f"Install them: pip install {card.package}" if card.package else "Copy it again"
        raise ModelError("its weights are not there", where=f"model {card.name}", hint=hint)
    if entry.sha256 and sha256(path) != entry.sha256:
        hint = "Install or copy the model again"
        raise ModelError("is not the file that the model's card means", where=path, hint=hint)
    return path


def _path(card: ModelCard, entry: WeightFile) -> Path | None:
    if not card.package:
        return card.folder / entry.path
    try:
        return Path(str(metadata.distribution(card.package).locate_file(entry.path)))
    except metadata.PackageNotFoundError:
        return None
